import { McpOAuthError } from '../errors.ts'
import { signatureAlgorithms } from './public-keys.ts'
import { problemOfServerUrl } from './url.ts'

const endpoints = [
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

/** Members of {@link ProviderMetadata} that are URLs. */
export type ProviderEndpoint = typeof endpoints[number]

/**
 * What we use of the metadata of a provider (RFC 8414 §2, OpenID Connect Discovery §3), by the
 * names it has there.
 */
export type ProviderMetadata = Readonly<
  & { issuer: string, authorization_response_iss_parameter_supported: boolean }
  & Partial<Record<ProviderEndpoint, string>>
  & Partial<Record<typeof lists[number], readonly string[]>>
>

/** What the operator said about a provider. */
export interface ProviderExpectation {
  /** The issuer, which the document must name byte for byte (RFC 8414 §3.3). */
  issuer: string
  /** Used instead of the authorization endpoint of the document. */
  authorizeUrl?: string
}

/** The one difference that is easily overlooked, and safe to name: a slash at the end. */
function spelling (found: unknown, configured: string): string {
  if (found === `${configured}/`) return ', it ends with a slash'
  return `${found}/` === configured ? ', it has no slash at the end' : ''
}

/**
 * Copies what we use from the metadata of a provider and checks it. Everything else stays behind.
 *
 * An endpoint may be at another host than the issuer, as with Google and Entra: the document came
 * over TLS from where the operator pointed, so whoever controls it is the provider. Plain http is
 * for a provider that is itself on loopback over http.
 *
 * @throws {McpOAuthError} `providerUnavailable`; the cause names the member, never its value
 */
export function providerMetadata (
  document: unknown,
  { issuer, authorizeUrl }: ProviderExpectation
): ProviderMetadata {
  const source = new Map(Object.entries(Object(document)))
  // What a hostile document says is repeated nowhere, not in the log either.
  if (source.get('issuer') !== issuer) {
    throw unusable(`issuer is not the configured issuer${spelling(source.get('issuer'), issuer)}`)
  }
  if (authorizeUrl !== undefined) source.set('authorization_endpoint', authorizeUrl)

  const copy: Record<string, unknown> = {
    issuer,
    authorization_response_iss_parameter_supported:
      source.get('authorization_response_iss_parameter_supported') === true
  }
  for (const name of endpoints) {
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
    if (!isStringList(list)) throw unusable(`${name} must be a list of strings`)
    copy[name] = Object.freeze([...list])
  }
  return Object.freeze(copy) as ProviderMetadata
}

function unusable (reason: string): McpOAuthError {
  return new McpOAuthError('providerUnavailable', {
    cause: new Error(`the metadata of the provider cannot be used: ${reason}`)
  })
}

function isPlainHttp (url: unknown): boolean {
  return typeof url === 'string' && /^http:/i.test(url)
}

function isStringList (value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** Where the endpoints of an authorization server of ours are. */
export interface AuthorizationServerParts {
  issuer: string
  /** URLs of its endpoints, by the names of their members. */
  endpoints: Readonly<Record<string, string>>
  grantTypes: readonly string[]
  /** Left out when empty. */
  scopes?: readonly string[] | undefined
  /**
   * What only the broker has: `iss` in its responses (RFC 9207), client ids that are URLs, tokens
   * bound to a key (RFC 9449 §5.1).
   */
  broker?:
    | { clientIdMetadata: boolean, dpop: boolean }
    | undefined
  /** How clients prove who they are. Defaults to `none`: they do not. */
  authenticationMethods?: readonly string[] | undefined
}

/** How clients prove who they are at an endpoint (RFC 8414 §2). */
function authentication (endpoint: 'token' | 'revocation', methods: readonly string[]) {
  return {
    [`${endpoint}_endpoint_auth_methods_supported`]: methods,
    ...(methods.includes('private_key_jwt') &&
      { [`${endpoint}_endpoint_auth_signing_alg_values_supported`]: signatureAlgorithms })
  }
}

/**
 * The metadata of an authorization server of ours (RFC 8414 §2): authorization code with PKCE,
 * refresh; what machines need, where there are any.
 */
export function authorizationServerDocument (parts: AuthorizationServerParts) {
  const {
    issuer,
    endpoints,
    grantTypes,
    scopes = [],
    broker,
    authenticationMethods = ['none']
  } = parts
  return {
    issuer,
    ...endpoints,
    ...(scopes.length > 0 && { scopes_supported: [...scopes] }),
    response_types_supported: ['code'],
    grant_types_supported: grantTypes,
    ...authentication('token', authenticationMethods),
    code_challenge_methods_supported: ['S256'],
    ...(broker !== undefined && {
      ...authentication('revocation', authenticationMethods),
      authorization_response_iss_parameter_supported: true,
      ...(broker.clientIdMetadata && { client_id_metadata_document_supported: true }),
      ...(broker.dpop && { dpop_signing_alg_values_supported: [...signatureAlgorithms] })
    })
  }
}

/** What is published about an MCP route. */
export interface ProtectedResourceParts {
  /** The URL of the MCP route. */
  resource: string
  /** Issuers, at least one. */
  authorizationServers: readonly string[]
  /**
   * What a client needs to begin with. `offline_access` is no business of a resource and is left
   * out.
   */
  scopes?: readonly string[] | undefined
  /** Shown to people. */
  name?: string | undefined
  /** Left out where tokens that are bound to a key are refused. */
  dpop?: 'accept' | 'require' | undefined
}

/** The metadata of a protected resource (RFC 9728 §2). */
export function protectedResourceDocument (
  { resource, authorizationServers, scopes = [], name, dpop }: ProtectedResourceParts
) {
  const supported = scopes.filter((scope) => scope !== 'offline_access')
  return {
    resource,
    authorization_servers: [...authorizationServers],
    ...(supported.length > 0 && { scopes_supported: supported }),
    bearer_methods_supported: ['header'],
    ...(dpop !== undefined && { dpop_signing_alg_values_supported: [...signatureAlgorithms] }),
    ...(dpop === 'require' && { dpop_bound_access_tokens_required: true }),
    ...(name !== undefined && { resource_name: name })
  }
}

/**
 * Completes a document the operator wrote (RFC 8414 §2): members that are `undefined` or `null` are
 * left out, then unset ones get their defaults. The grant `authorization_code` is a default only
 * where there is an authorization endpoint. Members we do not know are kept.
 *
 * The types of known members are for `OAuthMetadataSchema` to check; `problems` lists, by member,
 * what a schema cannot say.
 */
export function customMetadata (
  written: Readonly<Record<string, unknown>>
): { document: Record<string, unknown>, problems: string[] } {
  const own = Object.fromEntries(
    Object.entries(written).filter(([name, value]) =>
      value !== undefined && value !== null && name !== '__proto__'
    )
  )
  const document: Record<string, unknown> = {
    scopes_supported: ['openid', 'profile', 'email'],
    response_types_supported: ['code'],
    grant_types_supported: own['authorization_endpoint'] === undefined
      ? ['client_credentials']
      : ['authorization_code', 'client_credentials'],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    ...own
  }
  const problems = Object.entries(document).flatMap(([name, value]) => {
    const problem = problemOfMember(name, value)
    return problem === null ? [] : [`${name} ${problem}`]
  })
  for (const name of ['issuer', 'token_endpoint']) {
    if (document[name] === undefined) problems.push(`${name} is required`)
  }
  const grants = document['grant_types_supported']
  if (
    Array.isArray(grants) && grants.includes('authorization_code') &&
    document['authorization_endpoint'] === undefined
  ) {
    problems.push(
      'authorization_endpoint is required when grant_types_supported names authorization_code'
    )
  }
  return { document, problems }
}

function problemOfMember (name: string, value: unknown): string | null {
  if (name === 'issuer') return problemOfServerUrl(value, { query: false })
  if (/_(?:endpoint|uri)$/.test(name)) return problemOfServerUrl(value)
  if (Array.isArray(value) && value.length === 0) return 'must not be empty; leave it out instead'
  return isJson(value) ? null : 'must be a JSON value'
}

function isJson (value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isJson)
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isJson)
  return value === null || typeof value === 'string' || typeof value === 'boolean' ||
    Number.isFinite(value)
}
