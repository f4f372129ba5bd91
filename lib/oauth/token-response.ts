/** Which tokens does the token endpoint of the provider return? */

import { McpOAuthError, type ErrorKind } from '../errors.ts'
import { maxExpiresInSeconds, maxProviderTokenChars, maxScopeChars } from '../limits.ts'
import { parseJsonObject } from '../util/json.ts'

/** A successful token response (RFC 6749 §5.1), as far as our clients receive it. */
export interface ProviderTokenResponse {
  access_token: string
  token_type: 'Bearer'
  expires_in?: number
  refresh_token?: string
  scope?: string
}

const errors = new Map<unknown, ErrorKind>([
  ['invalid_grant', 'invalidGrant'],
  ['invalid_scope', 'invalidScope'],
  ['invalid_target', 'invalidTarget']
])

/**
 * Parses the response of the provider's token endpoint. Only the members of
 * {@link ProviderTokenResponse} are returned: an ID token is for us, not for the client, and error
 * texts may name internal systems.
 *
 * @throws {McpOAuthError} `invalidGrant`, `invalidScope`, `invalidTarget` as the provider's error;
 *   `providerUnavailable` for 429 and 5xx; `providerMisbehaved` for everything else, including
 *   errors about our own credentials
 */
export function parseTokenResponse (status: number, text: string): ProviderTokenResponse {
  if (status >= 500 || status === 429) throw failure('providerUnavailable', `returned ${status}`)
  const body = parseJsonObject(text)
  if (body === null) throw failure('providerMisbehaved', 'returned no JSON object')
  if (status < 200 || status > 299) {
    throw failure(errors.get(body['error']) ?? 'providerMisbehaved', `returned ${status}`)
  }
  const {
    access_token: accessToken,
    token_type: tokenType,
    expires_in: expiresIn,
    refresh_token: refreshToken,
    scope
  } = body
  const isBearer = typeof tokenType === 'string' && tokenType.toLowerCase() === 'bearer'
  if (!isToken(accessToken) || !isBearer) {
    throw failure('providerMisbehaved', 'returned no bearer token')
  }
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    ...isLifetime(expiresIn) && { expires_in: Math.floor(expiresIn) },
    ...isToken(refreshToken) && { refresh_token: refreshToken },
    ...isScope(scope) && { scope }
  }
}

function isToken (value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxProviderTokenChars &&
    /^[\x20-\x7e]+$/.test(value)
}

function isLifetime (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < maxExpiresInSeconds
}

function isScope (value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxScopeChars &&
    /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(value)
}

function failure (kind: ErrorKind, reason: string): McpOAuthError {
  return new McpOAuthError(kind, { cause: new Error(`The token endpoint ${reason}`) })
}
