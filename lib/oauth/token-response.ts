/** Which tokens does the token endpoint of the provider return? */

import { failure, type ErrorKind } from '../errors.ts'
import { maxExpiresInSeconds, maxProviderTokenChars, maxScopeChars } from '../limits.ts'
import { parseJsonObject } from '../util/json.ts'

/** A successful token response (RFC 6749 §5.1), as far as our clients receive it. */
export type ProviderTokenResponse = ReturnType<typeof parseTokenResponse>

const errors = new Map<unknown, ErrorKind>([
  ['invalid_grant', 'invalidGrant'],
  ['invalid_scope', 'invalidScope'],
  ['invalid_target', 'invalidTarget']
])

/**
 * Parses the response of the provider's token endpoint. Other members are dropped: an ID
 * token is for us, not for the client, and error texts may name internal systems.
 *
 * @throws {McpOAuthError} `invalidGrant`, `invalidScope`, `invalidTarget` as the provider's error;
 *   `providerUnavailable` for 429 and 5xx; `providerMisbehaved` for everything else, including
 *   errors about our own credentials
 */
export function parseTokenResponse (status: number, text: string) {
  const rejected = (kind: ErrorKind, reason = `returned ${status}`) =>
    failure(kind, `The token endpoint ${reason}`)
  if (status >= 500 || status === 429) throw rejected('providerUnavailable')
  const body = parseJsonObject(text)
  if (body === null) throw rejected('providerMisbehaved', 'returned no JSON object')
  const isSuccess = status >= 200 && status < 300
  if (!isSuccess) throw rejected(errors.get(body['error']) ?? 'providerMisbehaved')
  const { token_type: type, expires_in: seconds, scope } = body
  const token = tokenOf(body['access_token'])
  if (token === undefined || typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    throw rejected('providerMisbehaved', 'returned no bearer token')
  }
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: isLifetime(seconds) ? Math.floor(seconds) : undefined,
    refresh_token: tokenOf(body['refresh_token']),
    scope: isScope(scope) ? scope : undefined
  }
}

function tokenOf (value: unknown) {
  const isToken = typeof value === 'string' && value.length <= maxProviderTokenChars &&
    /^[\x20-\x7e]+$/.test(value)
  return isToken ? value : undefined
}

function isLifetime (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < maxExpiresInSeconds
}

function isScope (value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxScopeChars &&
    /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(value)
}
