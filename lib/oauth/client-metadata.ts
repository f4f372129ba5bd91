/** Which metadata does a client register, and is it acceptable (RFC 7591)? */

import type { GrantType } from '../types.ts'
import { causeWith, McpOAuthError } from '../errors.ts'
import {
  maxClientKeys,
  maxClientNameChars,
  maxRedirectUriChars,
  maxRedirectUris,
  maxUrlChars
} from '../limits.ts'
import { isPlainObject } from '../util/json.ts'
import { secretMemberOf } from './public-keys.ts'
import { redirectUriProblem, type RedirectPolicy } from './redirect-uri.ts'
import { parseScope } from './scope.ts'
import { userGrants } from './token-request.ts'

/** The metadata of a client that we store and return (RFC 7591 §3.2.1). Clients are public. */
export type ClientMetadata = ReturnType<typeof parseClientMetadata>

type Members = Readonly<Record<string, unknown>>

const authMethods = ['none', 'client_secret_basic', 'client_secret_post']
const uriMembers = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'jwks_uri']

/**
 * Control, format (bidirectional, zero-width), private-use and lone surrogate characters, and line
 * separators.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * Checks the metadata of a client that registers (RFC 7591 §2) and returns the members we keep.
 * No value is coerced or fetched; `null` means absent; harmful members are rejected, others
 * dropped.
 *
 * A client that requests a secret becomes a public one, which `token_endpoint_auth_method` in the
 * response tells it (RFC 7591 §3.2.1). Grant types are narrowed to those of user logins.
 *
 * @throws {McpOAuthError} `invalidRequest` if the body is not an object; `invalidRedirectUri` and
 *   `invalidClientMetadata`, with fixed descriptions
 */
export function parseClientMetadata (body: unknown, redirectPolicy: RedirectPolicy) {
  if (!isPlainObject(body)) throw new McpOAuthError('invalidRequest')
  const redirectUris = redirectUrisOf(body, redirectPolicy)
  const applicationType = applicationTypeOf(body, redirectUris)
  const name = nameOf(body)
  const grantTypes = grantTypesOf(body)
  const scope = scopeOf(body)
  if (!authMethods.includes(stringOf(body, 'token_endpoint_auth_method') ?? 'none')) {
    throw invalid('The member token_endpoint_auth_method names a method that is not supported.')
  }
  checkUris(body)
  checkKeys(body)
  return {
    redirect_uris: redirectUris,
    ...name !== undefined && { client_name: name },
    grant_types: grantTypes,
    response_types: ['code'],
    token_endpoint_auth_method: 'none' as const,
    ...applicationType !== undefined && { application_type: applicationType },
    ...scope !== undefined && { scope }
  }
}

function redirectUrisOf (members: Members, policy: RedirectPolicy): string[] {
  const uris = stringsOf(members, 'redirect_uris')
  if (uris === undefined) throw invalid('The member redirect_uris is missing.')
  if (uris.length === 0 || uris.length > maxRedirectUris) {
    throw invalidRedirect(`A client must have 1 to ${maxRedirectUris} redirect URIs.`)
  }
  if (new Set(uris).size < uris.length) throw invalidRedirect('A redirect URI is listed twice.')
  if (uris.join('').length > maxRedirectUriChars) {
    throw invalidRedirect('The redirect URIs are too long together.')
  }
  for (const uri of uris) {
    const problem = redirectUriProblem(uri, policy)
    if (problem !== null) throw invalidRedirect(problem, uri)
  }
  return uris
}

/** Redirect URIs of web clients are on https, and not on loopback (OIDC Registration §2). */
function applicationTypeOf (
  members: Members,
  redirectUris: string[]
): 'web' | 'native' | undefined {
  const type = stringOf(members, 'application_type')
  if (type === undefined || type === 'native') return type
  if (type !== 'web') throw invalid('The member application_type must be web or native.')
  const other = redirectUris.find(uri => !uri.startsWith('https:'))
  if (other !== undefined) {
    throw invalidRedirect('A web client must have https redirect URIs.', other)
  }
  return type
}

function nameOf (members: Members): string | undefined {
  const name = stringOf(members, 'client_name')
  if (name === undefined || name.trim() === '') return undefined
  if (name.length > maxClientNameChars || deceptive.test(name)) {
    throw invalid('The member client_name is too long or has characters that are not allowed.')
  }
  return name
}

function grantTypesOf (members: Members): GrantType[] {
  const requested = stringsOf(members, 'grant_types') ?? ['authorization_code']
  const responses = stringsOf(members, 'response_types') ?? ['code']
  if (!requested.includes('authorization_code') || !responses.includes('code')) {
    throw invalid('A client must use the grant type authorization_code and the response type code.')
  }
  return userGrants.filter((type) => requested.includes(type))
}

function scopeOf (members: Members): string | undefined {
  const scope = stringOf(members, 'scope') ?? ''
  try {
    return parseScope(scope).join(' ') || undefined
  } catch {
    throw invalid('The member scope is malformed.')
  }
}

function checkUris (members: Members): void {
  const uris = uriMembers.map(name => stringOf(members, name) || undefined)
  if (!uris.every(uri => uri === undefined || isPublicUrl(uri))) {
    throw invalid('A URI in the client metadata is not an https URL with a host name.')
  }
}

/** Rejects addresses: they mostly mean internal machines. */
function isPublicUrl (value: string): boolean {
  return value.length <= maxUrlChars &&
    /^https:\/\/[^/?#\s@\\]+(?:[/?#][^\s]*)?$/i.test(value) &&
    URL.canParse(value) && !/^\[|^[\d.]+$/.test(new URL(value).hostname)
}

/** Public clients need no keys, and no client may send a private one (RFC 7591 §2). */
function checkKeys (members: Members): void {
  const jwks = memberOf(members, 'jwks')
  if (jwks === undefined) return
  const { keys } = Object(jwks)
  const isValid = Array.isArray(keys) && keys.length <= maxClientKeys && keys.every(isPublicKey)
  if (!isValid || memberOf(members, 'jwks_uri') !== undefined) {
    throw invalid('The member jwks is malformed, has private keys, or stands beside jwks_uri.')
  }
}

function isPublicKey (key: unknown): boolean {
  return isPlainObject(key) && typeof key['kty'] === 'string' && key['kty'] !== 'oct' &&
    secretMemberOf(key) === undefined
}

function stringOf (members: Members, name: string): string | undefined {
  const value = memberOf(members, name)
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`The member ${name} must be a string.`)
}

function stringsOf (members: Members, name: string): string[] | undefined {
  const value = memberOf(members, name)
  if (value === undefined) return undefined
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return [...value]
  throw invalid(`The member ${name} must be a list of strings.`)
}

function memberOf (members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] ?? undefined : undefined
}

function invalid (description: string): McpOAuthError {
  return new McpOAuthError('invalidClientMetadata', { description })
}

function invalidRedirect (description: string, uri?: string): McpOAuthError {
  const cause = uri === undefined ? undefined : causeWith('the redirect URI', uri)
  return new McpOAuthError('invalidRedirectUri', { description, cause })
}
