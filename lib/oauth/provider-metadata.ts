/** Which members of a provider's metadata do we use, and are they valid? */

import { failure, quoted } from '../errors.ts'
import { problemOfServerUrl } from './url.ts'

export const providerEndpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'revocation_endpoint',
  'introspection_endpoint',
  'userinfo_endpoint'
] as const

/** Endpoints that a login needs. Metadata that have them stay in use while newer ones do not. */
export const loginEndpoints: readonly ProviderEndpoint[] = [
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri'
]

const lists = [
  'scopes_supported',
  'claims_supported',
  'token_endpoint_auth_methods_supported',
  'code_challenge_methods_supported',
  'id_token_signing_alg_values_supported',
  'introspection_endpoint_auth_methods_supported'
] as const

const issFlag = 'authorization_response_iss_parameter_supported'

/** Members of {@link ProviderMetadata} that are URLs. */
export type ProviderEndpoint = typeof providerEndpoints[number]

/** The members that we use of a provider's metadata (RFC 8414 §2, OpenID Connect Discovery §3). */
export type ProviderMetadata = Readonly<
  & { issuer: string, [issFlag]: boolean }
  & Partial<Record<ProviderEndpoint, string>>
  & Partial<Record<typeof lists[number], readonly string[]>>
>

/** Requirements on the metadata of a provider. */
export interface ExpectedMetadata {
  /** The issuer, byte for byte as in its tokens and metadata (RFC 8414 §3.3). */
  issuer: string
  /** Replaces the authorization endpoint of the metadata. */
  authorizeUrl?: string | null | undefined
  /** Endpoints that are in use. Defaults to those of a login. */
  required?: readonly ProviderEndpoint[] | undefined
  /** Receives the members that were left out, each with its problem. */
  ignored?: (problems: string[]) => void
}

/**
 * Copies the members we use from the metadata of a provider, and checks them. Members that are not
 * required are left out if they are null, empty or invalid.
 *
 * An endpoint may be at another host than the issuer, as with Google and Entra: the document came
 * over TLS from where the operator pointed. Plain http is for issuers on loopback over http.
 *
 * @throws {McpOAuthError} `providerMisbehaved`; the cause names the member
 */
export function parseProviderMetadata (
  document: unknown,
  { issuer, authorizeUrl, required = loginEndpoints, ignored }: ExpectedMetadata
): ProviderMetadata {
  const source = new Map<string, unknown>(Object.entries(Object(document)))
  const named = source.get('issuer')
  if (named !== issuer) {
    throw unusable(`issuer is ${quoted(named)}, and the option issuer is ${quoted(issuer)}`)
  }
  if (authorizeUrl) source.set('authorization_endpoint', authorizeUrl)

  const copy: Record<string, unknown> = { issuer, [issFlag]: source.get(issFlag) === true }
  const problems: string[] = []
  for (const name of [...providerEndpoints, ...lists]) {
    const value = source.get(name)
    if (value === undefined) continue
    const problem = isList(name) ? problemOfList(value) : problemOfEndpoint(value, issuer)
    if (problem === null) copy[name] = isList(name) ? Object.freeze([...value as string[]]) : value
    // Values of a hostile document are not repeated, not even in the log.
    else if (required.includes(name as ProviderEndpoint)) throw unusable(`${name} ${problem}`)
    else problems.push(`${name} ${problem}`)
  }
  if (problems.length > 0) ignored?.(problems)
  return Object.freeze(copy) as ProviderMetadata
}

function isList (name: string) {
  return name.endsWith('_supported')
}

function problemOfList (value: unknown) {
  const isValid = Array.isArray(value) && value.every(item => typeof item === 'string')
  return isValid ? null : 'must be a list of strings'
}

function problemOfEndpoint (url: unknown, issuer: string) {
  const isDowngrade = /^http:/i.test(String(url)) && !issuer.startsWith('http:')
  return problemOfServerUrl(url) ?? (isDowngrade ? 'must use https' : null)
}

function unusable (reason: string) {
  return failure('providerMisbehaved', `The metadata of the provider are invalid: ${reason}`)
}
