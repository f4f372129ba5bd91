/** Which members of a provider's metadata do we use, and are they valid? */

import { failure } from '../errors.ts'
import { problemOfServerUrl } from './url.ts'

export const providerEndpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'revocation_endpoint',
  'introspection_endpoint',
  'userinfo_endpoint'
] as const

const lists = [
  'scopes_supported',
  'response_types_supported',
  'grant_types_supported',
  'token_endpoint_auth_methods_supported',
  'code_challenge_methods_supported',
  'id_token_signing_alg_values_supported',
  'introspection_endpoint_auth_methods_supported'
] as const

const issFlag = 'authorization_response_iss_parameter_supported'

/** Members of {@link ProviderMetadata} that are URLs. */
type ProviderEndpoint = typeof providerEndpoints[number]

/** The members that we use of a provider's metadata (RFC 8414 §2, OpenID Connect Discovery §3). */
export type ProviderMetadata = Readonly<
  & { issuer: string, [issFlag]: boolean }
  & Partial<Record<ProviderEndpoint, string>>
  & Partial<Record<typeof lists[number], readonly string[]>>
>

/**
 * Copies the members we use from the metadata of a provider, and checks them.
 *
 * An endpoint may be at another host than the issuer, as with Google and Entra: the document came
 * over TLS from where the operator pointed. Plain http is for issuers on loopback over http.
 *
 * @param expected `issuer` must be in the document byte for byte (RFC 8414 §3.3); `authorizeUrl`
 *   replaces its authorization endpoint
 * @throws {McpOAuthError} `providerUnavailable`; the cause names the member, never its value
 */
export function parseProviderMetadata (
  document: unknown,
  { issuer, authorizeUrl }: { issuer: string, authorizeUrl?: string | null | undefined }
): ProviderMetadata {
  const source = new Map<string, unknown>(Object.entries(Object(document)))
  // Values of a hostile document are never repeated, not even in the log.
  const named = source.get('issuer')
  if (named !== issuer) {
    throw unusable(`issuer is not the configured issuer${slashHint(named, issuer)}`)
  }
  if (authorizeUrl) source.set('authorization_endpoint', authorizeUrl)

  const copy: Record<string, unknown> = { issuer, [issFlag]: source.get(issFlag) === true }
  for (const name of providerEndpoints) {
    const url = source.get(name)
    if (url === undefined) continue
    const problem = problemOfServerUrl(url) ??
      (isPlainHttp(url) && !isPlainHttp(issuer) ? 'must use https' : null)
    if (problem !== null) throw unusable(`${name} ${problem}`)
    copy[name] = url
  }
  for (const name of lists) {
    const list = source.get(name)
    if (list === undefined) continue
    if (!Array.isArray(list) || !list.every(item => typeof item === 'string')) {
      throw unusable(`${name} must be a list of strings`)
    }
    copy[name] = Object.freeze([...list])
  }
  return Object.freeze(copy) as ProviderMetadata
}

/** Names the one difference that is easily overlooked and safe to print: a trailing slash. */
function slashHint (named: unknown, configured: string) {
  if (named === `${configured}/`) return ', it ends with a slash'
  return `${named}/` === configured ? ', it has no slash at the end' : ''
}

function isPlainHttp (url: unknown) {
  return /^http:/i.test(String(url))
}

function unusable (reason: string) {
  return failure('providerUnavailable', `The metadata of the provider is invalid: ${reason}`)
}
