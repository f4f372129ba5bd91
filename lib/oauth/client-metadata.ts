/** Is the metadata acceptable that a client registers (RFC 7591), or has in a document (CIMD)? */
import { causeWith, escaped, McpOAuthError } from '../errors.ts'
import {
  maxClientKeys,
  maxClientNameChars,
  maxRedirectUriChars,
  maxRedirectUris,
  maxUrlChars
} from '../limits.ts'
import { isPlainObject, parseJsonObject, present } from '../util/json.ts'
import { isClientIdUrl } from './client-id-url.ts'
import { hasLogins, jwtBearer } from './grant-types.ts'
import { publicKeyProblem, secretMemberOf } from './public-keys.ts'
import {
  isLoopbackRedirect,
  redirectUriProblem,
  unsafeRedirectProblem,
  type RedirectPolicy
} from './redirect-uri.ts'
import { requestedScopes, type ScopeRules } from './scope.ts'
import { userGrants } from './token-request.ts'

/** The members of a client's metadata that are not null. */
type Members = ReadonlyMap<string, unknown>

const authMethods = ['none', 'client_secret_basic', 'client_secret_post']
const uriMembers = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'jwks_uri']

/**
 * Checks the metadata of a client that registers (RFC 7591 §2) and returns the members we keep.
 * No value is coerced or fetched; `null` means absent; harmful members are rejected, others
 * dropped, as are redirect URIs that the policy does not allow.
 *
 * A client that requests a secret becomes a public one, which `token_endpoint_auth_method` in the
 * response tells it (RFC 7591 §3.2.1). Grant types are narrowed to `others` and those of user
 * logins, which only clients with another one may do without; scopes to known ones.
 *
 * @throws {McpOAuthError} `invalidRequest` if the body is not an object; `invalidRedirectUri` and
 *   `invalidClientMetadata`, with fixed descriptions
 */
export function parseClientMetadata (
  body: unknown,
  redirectPolicy: RedirectPolicy,
  scopeRules: ScopeRules = { knownScopes: null },
  others: ReadonlyArray<typeof jwtBearer> = []
) {
  if (!isPlainObject(body)) throw new McpOAuthError('invalidRequest')
  const members = new Map(Object.entries(body).filter(([, value]) => value !== null))
  const grantTypes = grantTypesOf(members, others)
  const { redirectUris, refused } = redirectUrisOf(members, redirectPolicy, hasLogins(grantTypes))
  const applicationType = applicationTypeOf(members, redirectUris)
  const name = nameOf(members)
  const scope = scopeOf(members, scopeRules)
  if (!authMethods.includes(stringOf(members, 'token_endpoint_auth_method') ?? 'none')) {
    throw invalid('The token_endpoint_auth_method is not supported.')
  }
  checkUris(members)
  checkKeys(members)
  const dpopBound = members.get('dpop_bound_access_tokens')
  if (dpopBound !== undefined && typeof dpopBound !== 'boolean') {
    throw invalid('The member dpop_bound_access_tokens must be true or false.')
  }
  return {
    refused,
    redirect_uris: redirectUris,
    ...name !== undefined && { client_name: name },
    grant_types: grantTypes,
    response_types: ['code'],
    token_endpoint_auth_method: 'none' as const,
    ...applicationType !== undefined && { application_type: applicationType },
    ...scope !== undefined && { scope },
    ...dpopBound !== undefined && { dpop_bound_access_tokens: dpopBound }
  }
}

/** Without logins a client needs none (RFC 7591 §2). */
function redirectUrisOf (members: Members, policy: RedirectPolicy, isRequired: boolean) {
  const uris = [...new Set(stringsOf(members, 'redirect_uris'))]
  if (!isRequired && uris.length === 0) return { redirectUris: uris, refused: [] }
  if (!members.has('redirect_uris')) throw invalid('The redirect_uris are missing.')
  if (uris.length === 0 || uris.length > maxRedirectUris) {
    throw invalidRedirect(`A client must have 1 to ${maxRedirectUris} redirect URIs.`)
  }
  if (uris.join('').length > maxRedirectUriChars) {
    throw invalidRedirect('The redirect URIs are too long together.')
  }
  for (const uri of uris) {
    const problem = unsafeRedirectProblem(uri, policy)
    if (problem !== null) throw invalidRedirect(problem, uri)
  }
  const redirectUris = uris.filter(uri => redirectUriProblem(uri, policy) === null)
  if (redirectUris.length === 0) {
    throw invalidRedirect(redirectUriProblem(uris[0], policy) as string, uris.join(' '))
  }
  return { redirectUris, refused: uris.filter(uri => !redirectUris.includes(uri)) }
}

/** Web clients have https URIs (OpenID Connect Registration §2). A wrong type is replaced. */
function applicationTypeOf (
  members: Members,
  redirectUris: string[]
): 'web' | 'native' | undefined {
  const type = stringOf(members, 'application_type')
  if (type === undefined || type === 'native') return type
  return redirectUris.every(uri => uri.startsWith('https:')) ? 'web' : 'native'
}

function nameOf (members: Members) {
  const name = stringOf(members, 'client_name')
  if (!name?.trim()) return undefined
  if (escaped(name) !== name || name.includes('\n')) {
    throw invalid('The client_name has characters that are not allowed.')
  }
  if (name.length <= maxClientNameChars) return name
  // Half of a surrogate pair is no character.
  return `${name.slice(0, maxClientNameChars - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

function grantTypesOf (members: Members, others: ReadonlyArray<typeof jwtBearer>) {
  const requested = stringsOf(members, 'grant_types') ?? ['authorization_code']
  const responses = stringsOf(members, 'response_types') ?? ['code']
  const logins = hasLogins(requested) && responses.includes('code') ? userGrants : []
  const types = [...logins, ...others].filter(type => requested.includes(type))
  if (types.length > 0) return types
  throw invalid('A client must use the grant type authorization_code and the response type code.')
}

function scopeOf (members: Members, rules: ScopeRules) {
  const scope = stringOf(members, 'scope')
  if (!scope) return undefined
  try {
    return requestedScopes(scope, rules).join(' ') || undefined
  } catch {
    throw invalid('The scope is malformed or unknown.')
  }
}

function checkUris (members: Members) {
  if (!uriMembers.every(name => isWebUrlOrEmpty(stringOf(members, name)))) {
    throw invalid(
      'A URI in the client metadata is neither an https URL with a host name nor http on loopback.'
    )
  }
}

/** Rejects addresses: most are of internal machines. Loopback is for clients in development. */
function isWebUrlOrEmpty (value = '') {
  if (value === '') return true
  if (value.length > maxUrlChars || /\s/.test(value) || !URL.canParse(value)) return false
  return isLoopbackRedirect(value) || (/^https:\/\/[^/?#@\\]+(?:[/?#]|$)/i.test(value) &&
    !/^\[|^[\d.]+$/.test(new URL(value).hostname))
}

/** Public clients need no keys, and no client may send a private one (RFC 7591 §2). */
function checkKeys (members: Members) {
  const jwks = members.get('jwks')
  if (jwks === undefined) return
  const { keys } = Object(jwks)
  const isValid = Array.isArray(keys) && keys.length <= maxClientKeys && keys.every(isPublicKey)
  if (!isValid || members.get('jwks_uri') !== undefined) {
    throw invalid('The jwks is malformed, has private keys, or stands beside jwks_uri.')
  }
}

function isPublicKey (key: unknown) {
  return isPlainObject(key) && typeof key.kty === 'string' && key.kty !== 'oct' &&
    secretMemberOf(key) === undefined
}

function stringOf (members: Members, name: string) {
  const value = members.get(name)
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`The member ${name} must be a string.`)
}

function stringsOf (members: Members, name: string) {
  const value = members.get(name)
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every(entry => typeof entry === 'string')) return [...value]
  throw invalid(`The member ${name} must be a list of strings.`)
}

function invalid (description: string) {
  return new McpOAuthError('invalidClientMetadata', { description })
}

function invalidRedirect (description: string, uris?: string) {
  const cause = uris === undefined ? undefined : causeWith('the redirect URIs', uris)
  return new McpOAuthError('invalidRedirectUri', { description, cause })
}

/**
 * Parses a client metadata document (OAuth Client ID Metadata Document, §4). Members that it shares
 * with registrations obey the rules of {@link parseClientMetadata}. A client with `private_key_jwt`
 * has keys, in `jwks` or `jwks_uri`, and may be public as well if its
 * `token_endpoint_auth_methods_supported` include `none`; any other is public.
 *
 * @param clientId the URL of the document, which its `client_id` must be byte for byte
 * @throws {McpOAuthError} `invalidClient`, with the reason as its cause
 */
export function parseClientDocument (
  text: string,
  clientId: string,
  redirectPolicy: RedirectPolicy
) {
  try {
    const parsed = parseJsonObject(text)
    if (parsed === null) throw new Error('The document is not a JSON object')
    const {
      token_endpoint_auth_method: method,
      token_endpoint_auth_methods_supported: methods,
      ...members
    } = parsed
    if (members.client_id !== clientId) throw new Error('The document is for another client')
    if (Object.keys(members).some(name => name.startsWith('client_secret'))) {
      throw new Error('The document contains a secret')
    }
    if (!['none', 'private_key_jwt'].includes((method ?? 'none') as string)) {
      throw new Error('The document names an unsupported authentication method')
    }
    const { redirect_uris: redirectUris, client_name: name, grant_types: grantTypes, ...others } =
      parseClientMetadata(members, redirectPolicy, undefined, [jwtBearer])
    if (name === undefined) throw new Error('The document has no client_name')
    const { refused, dpop_bound_access_tokens: dpopBound } = others
    return {
      refused,
      redirectUris,
      name,
      grantTypes,
      ...dpopBound && { dpopBound },
      ...method === 'private_key_jwt' && keysOf(members),
      ...method === 'private_key_jwt' && Array.isArray(methods) && methods.includes('none') &&
        { mayBePublic: true }
    }
  } catch (cause) {
    throw new McpOAuthError('invalidClient', { cause })
  }
}

/** Where the keys of a client are. */
type DocumentKeys = { jwks?: { keys: object[] }, jwksUri?: string }

/** The usable keys of a client, or their URL, on a host that could be that of a client id. */
function keysOf ({ jwks, jwks_uri: jwksUri }: Record<string, unknown>): DocumentKeys {
  if (typeof jwksUri === 'string' && isClientIdUrl(jwksUri)) return { jwksUri }
  const { keys = [] } = Object(jwks) as { keys?: object[] }
  const usable = keys.map(present).filter(key => publicKeyProblem(key) === null)
  if (usable.length > 0) return { jwks: { keys: usable } }
  throw new Error('The document has no usable keys, and private_key_jwt requires one')
}
