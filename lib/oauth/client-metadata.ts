import type { GrantType } from '../types.ts'
import { causeWith, McpOAuthError } from '../errors.ts'
import type { RedirectPolicy } from './redirect-uri.ts'
import { isLoopbackRedirect, redirectUriProblem } from './redirect-uri.ts'
import { formatScope, parseScope } from './scope.ts'
import { userGrants } from './token-request.ts'
import { maxUrlLength } from './url.ts'

/**
 * What is kept of a registration, and may be echoed (RFC 7591 §3.2.1). Clients are public: there is
 * never a secret.
 */
export interface ClientMetadata {
  redirect_uris: string[]
  client_name?: string
  grant_types: GrantType[]
  response_types: string[]
  token_endpoint_auth_method: 'none'
  application_type?: 'web' | 'native'
  scope?: string
}

/** What a registration is held against. */
export interface ClientMetadataRules {
  redirectPolicy: RedirectPolicy
  /** Scopes to narrow `scope` to. Absent: any. */
  scopesKnown?: readonly string[]
}

type Members = Readonly<Record<string, unknown>>

/** Most redirect URIs of one client. */
const maxRedirectUris = 10

/**
 * Longest list of redirect URIs, in characters: the client id carries them, and has to fit into a
 * URL.
 */
const maxRedirectUriTotal = 4096

const maxListLength = 20
const maxNameLength = 100
const authMethods = ['none', 'client_secret_basic', 'client_secret_post']
const uriMembers = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'jwks_uri']
const privateKeyMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * Control, format (bidirectional, zero-width), private-use and lone surrogate characters, and line
 * separators.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * Checks the metadata of a client that registers (RFC 7591 §2) and returns what is worth keeping.
 * Nothing is coerced; `null` means absent; members we do not keep are checked if they could harm,
 * never fetched, and dropped with the unknown ones.
 *
 * A client that asks for a secret becomes a public one and is told so by
 * `token_endpoint_auth_method` (RFC 7591 §3.2.1). Grant types are narrowed to `authorization_code`
 * and `refresh_token`.
 *
 * Throws `invalidRequest` for what is not an object, `invalidRedirectUri` and
 * `invalidClientMetadata` for the rest, with fixed descriptions.
 */
export function parseClientMetadata (
  body: unknown,
  { redirectPolicy, scopesKnown }: ClientMetadataRules
): ClientMetadata {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new McpOAuthError('invalidRequest')
  }
  const members = body as Members
  const redirectUris = redirectUrisOf(members, redirectPolicy)
  const applicationType = applicationTypeOf(members, redirectUris)
  const name = nameOf(members)
  const grantTypes = grantTypesOf(members)
  const scope = scopeOf(members, scopesKnown)
  checkAuthMethod(members)
  checkUris(members)
  checkKeys(members)
  return {
    redirect_uris: redirectUris,
    ...name !== undefined && { client_name: name },
    grant_types: grantTypes,
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    ...applicationType !== undefined && { application_type: applicationType },
    ...scope !== undefined && { scope }
  }
}

function redirectUrisOf (members: Members, policy: RedirectPolicy): string[] {
  const uris = stringsOf(members, 'redirect_uris')
  if (uris === undefined) throw unacceptable('The member redirect_uris is missing.')
  if (uris.length === 0 || uris.length > maxRedirectUris) {
    throw badRedirect(`A client must have 1 to ${maxRedirectUris} redirect URIs.`)
  }
  if (new Set(uris).size < uris.length) throw badRedirect('A redirect URI is listed twice.')
  if (uris.join('').length > maxRedirectUriTotal) {
    throw badRedirect('The redirect URIs are too long together.')
  }
  for (const uri of uris) {
    const problem = redirectUriProblem(uri, policy)
    if (problem !== null) throw badRedirect(problem, causeWith('the redirect URI', uri))
  }
  return uris
}

/** OpenID Connect Registration §2: web clients live on https, and not on the user's machine. */
function applicationTypeOf (
  members: Members,
  redirectUris: readonly string[]
): ClientMetadata['application_type'] {
  const type = stringOf(members, 'application_type')
  if (type === undefined || type === 'native') return type
  if (type !== 'web') throw unacceptable('The member application_type must be web or native.')
  const unfit = redirectUris.find((uri) => isLoopbackRedirect(uri) || !uri.startsWith('https:'))
  if (unfit !== undefined) {
    throw badRedirect(
      'A web client must have https redirect URIs.',
      causeWith('the redirect URI', unfit)
    )
  }
  return type
}

function nameOf (members: Members): string | undefined {
  const name = stringOf(members, 'client_name')
  if (name === undefined || name.trim() === '') return undefined
  if (name.length > maxNameLength || deceptive.test(name)) {
    throw unacceptable('The member client_name is too long or has characters that are not allowed.')
  }
  return name
}

function grantTypesOf (members: Members): GrantType[] {
  const asked = stringsOf(members, 'grant_types') ?? ['authorization_code']
  const responses = stringsOf(members, 'response_types') ?? ['code']
  if (!asked.includes('authorization_code') || !responses.includes('code')) {
    throw unacceptable(
      'A client must use the grant type authorization_code and the response type code.'
    )
  }
  return userGrants.filter((type) => asked.includes(type))
}

function scopeOf (members: Members, known: readonly string[] | undefined): string | undefined {
  const value = stringOf(members, 'scope')
  if (value === undefined) return undefined
  const scope = formatScope(
    scopesIn(value).filter((name) => known === undefined || known.includes(name))
  )
  return scope === '' ? undefined : scope
}

function scopesIn (value: string): string[] {
  try {
    return parseScope(value)
  } catch {
    throw unacceptable('The member scope is malformed.')
  }
}

function checkAuthMethod (members: Members): void {
  if (!authMethods.includes(stringOf(members, 'token_endpoint_auth_method') ?? 'none')) {
    throw unacceptable(
      'The member token_endpoint_auth_method names a method that is not supported.'
    )
  }
}

function checkUris (members: Members): void {
  for (const name of uriMembers) {
    const uri = stringOf(members, name)
    if (uri !== undefined && uri !== '' && !isPublicUrl(uri)) {
      throw unacceptable('A URI in the client metadata is not an https URL with a host name.')
    }
  }
}

/** Addresses are refused as they mostly mean machines the client should not know of. */
function isPublicUrl (value: string): boolean {
  if (
    value.length > maxUrlLength || !/^https:\/\/[^/?#\s@\\]+(?:[/?#][^\s]*)?$/i.test(value) ||
    !URL.canParse(value)
  ) return false
  return !/^\[|^[\d.]+$/.test(new URL(value).hostname)
}

/** Public clients need no keys. A private one must not even be sent (RFC 7517 §4, RFC 7591 §2). */
function checkKeys (members: Members): void {
  const jwks = memberOf(members, 'jwks')
  if (jwks === undefined) return
  const keys: unknown = isObject(jwks) ? memberOf(jwks, 'keys') : undefined
  const acceptable = memberOf(members, 'jwks_uri') === undefined && Array.isArray(keys) &&
    keys.length <= maxListLength && keys.every(isPublicKey)
  if (!acceptable) {
    throw unacceptable('The member jwks is malformed, has private keys, or stands beside jwks_uri.')
  }
}

function isPublicKey (key: unknown): boolean {
  return isObject(key) && typeof key['kty'] === 'string' && key['kty'] !== 'oct' &&
    !privateKeyMembers.some((name) => Object.hasOwn(key, name))
}

function stringOf (members: Members, name: string): string | undefined {
  const value = memberOf(members, name)
  if (value === undefined || typeof value === 'string') return value
  throw unacceptable('A member that must be a string is not.')
}

function stringsOf (members: Members, name: string): string[] | undefined {
  const value = memberOf(members, name)
  if (value === undefined) return undefined
  // Nested values are looked at no further than their type, however deep they are.
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return [...value]
  throw unacceptable('A member that must be a list of strings is not.')
}

function memberOf (members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] ?? undefined : undefined
}

function isObject (value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unacceptable (description: string): McpOAuthError {
  return new McpOAuthError('invalidClientMetadata', { description })
}

function badRedirect (description: string, cause?: Error): McpOAuthError {
  return new McpOAuthError('invalidRedirectUri', { description, cause })
}
