/** Which metadata documents do we publish about the authorization server and the MCP route? */

import { signatureAlgorithms } from './public-keys.ts'
import { problemOfServerUrl } from './url.ts'

/** The metadata of our authorization server (RFC 8414 §2). PKCE is always required. */
export function authorizationServerDocument (
  { issuer, endpoints, grantTypes, scopes = [], broker, authenticationMethods = ['none'] }: {
    issuer: string
    /** URLs of its endpoints, by the names of their members. */
    endpoints: Record<string, string>
    grantTypes: readonly string[]
    /** Left out when empty. */
    scopes?: readonly string[] | undefined
    /** Features of the broker: RFC 9207, Client ID Metadata Documents, RFC 9449 §5.1 among them. */
    broker?: { clientIdMetadata: boolean, dpop: boolean, profiles: readonly string[] }
    /** Methods of client authentication. Defaults to `none`. */
    authenticationMethods?: readonly string[]
  }
) {
  return {
    issuer,
    ...endpoints,
    ...scopes.length > 0 && { scopes_supported: scopes },
    response_types_supported: ['code'],
    grant_types_supported: grantTypes,
    ...authentication('token', authenticationMethods),
    code_challenge_methods_supported: ['S256'],
    ...broker !== undefined && {
      ...authentication('revocation', authenticationMethods),
      authorization_response_iss_parameter_supported: true,
      ...broker.clientIdMetadata && { client_id_metadata_document_supported: true },
      ...broker.profiles.length > 0 &&
        { authorization_grant_profiles_supported: broker.profiles },
      ...broker.dpop && { dpop_signing_alg_values_supported: signatureAlgorithms }
    }
  }
}

/** The members that describe client authentication at an endpoint. */
function authentication (endpoint: 'token' | 'revocation', methods: readonly string[]) {
  return {
    [`${endpoint}_endpoint_auth_methods_supported`]: methods,
    ...methods.includes('private_key_jwt') &&
      { [`${endpoint}_endpoint_auth_signing_alg_values_supported`]: signatureAlgorithms }
  }
}

/**
 * The metadata of a protected resource (RFC 9728 §2). It never names `offline_access`.
 *
 * @param resource the URL of the MCP route
 * @param authorizationServers issuers, at least one
 * @param scopes those that a client needs to begin with
 * @param dpop whether sender-constrained tokens are accepted
 */
export function protectedResourceDocument (
  resource: string,
  authorizationServers: readonly string[],
  scopes: readonly string[],
  dpop: 'off' | 'accept' | 'require'
) {
  const supported = scopes.filter(scope => scope !== 'offline_access')
  return {
    resource,
    authorization_servers: authorizationServers,
    ...supported.length > 0 && { scopes_supported: supported },
    bearer_methods_supported: ['header'],
    ...dpop !== 'off' && { dpop_signing_alg_values_supported: signatureAlgorithms },
    ...dpop === 'require' && { dpop_bound_access_tokens_required: true }
  }
}

/**
 * Completes a metadata document that the operator wrote (RFC 8414 §2). Members that are `undefined`
 * or `null` are left out, unknown members are kept, and missing ones get their defaults. The grant
 * `authorization_code` is a default only where there is an authorization endpoint.
 */
export function completeMetadata (written: object): Record<string, unknown> {
  const members = Object.entries(written).filter(([name, value]) =>
    value != null && name !== '__proto__'
  )
  const hasAuthorization = members.some(([name]) => name === 'authorization_endpoint')
  return {
    scopes_supported: ['openid', 'profile', 'email'],
    response_types_supported: ['code'],
    grant_types_supported: [
      ...hasAuthorization ? ['authorization_code'] : [],
      'client_credentials'
    ],
    token_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    ...Object.fromEntries(members)
  }
}

/**
 * Checks a completed document whose known members have the types of `OAuthMetadataSchema`.
 *
 * @returns its problems, each after the name of the member
 */
export function metadataProblems (document: Record<string, unknown>) {
  const problems = Object.entries(document).flatMap(([name, value]) => {
    const problem = problemOfMember(name, value)
    return problem === null ? [] : [`${name}: ${problem}`]
  })
  const { authorization_endpoint: endpoint, grant_types_supported: grants } = document
  return endpoint === undefined && [grants].flat().includes('authorization_code')
    ? [...problems, 'authorization_endpoint: is required for the grant type authorization_code']
    : problems
}

function problemOfMember (name: string, value: unknown) {
  if (name === 'issuer') return problemOfServerUrl(value, { query: false })
  if (/_(?:endpoint|uri)$/.test(name)) return problemOfServerUrl(value)
  if (Array.isArray(value) && value.length === 0) return 'must not be empty; leave it out instead'
  return isJson(value) ? null : 'must be a JSON value'
}

function isJson (value: unknown) {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isJson)
  return value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
}
