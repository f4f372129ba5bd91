/** Which access token does a request carry? */

import { McpOAuthError } from '../errors.ts'
import { maxTokenChars } from '../limits.ts'

/** How an access token is sent: RFC 6750 §2.1, RFC 9449 §7.1. */
export type Scheme = 'Bearer' | 'DPoP'

/** The access token of an `Authorization` header, if it has one. */
export type Credentials =
  | { token: string, scheme: Scheme, none?: never }
  | { none: true, token?: never }

const none: Credentials = Object.freeze({ none: true })
const bearer: readonly Scheme[] = ['Bearer']

/** The scheme, and the `b64token` of RFC 6750 §2.1, which RFC 9449 §7.1 calls `token68`. */
const wellFormed = /^\w+ +([A-Za-z0-9._~+/-]+=*)$/

/**
 * Reads the access token of a request (RFC 6750 §2.1) from its header, never from its query.
 *
 * @param rawHeaders reveal a second `Authorization` header, which Node drops
 * @param query without `?`; a token there beside one in the header is malformed (RFC 6750 §2)
 * @param schemes accepted schemes; any other is `none`. Defaults to `Bearer`
 * @throws {McpOAuthError} `invalidRequest` for malformed or repeated credentials; `invalidToken`
 *   for text that cannot be a token
 */
export function parseAccessToken (
  authorization: string | undefined,
  rawHeaders: readonly string[],
  query: string,
  schemes = bearer
): Credentials {
  if (authorization === undefined) return none
  if (isRepeated(rawHeaders)) throw new McpOAuthError('invalidRequest')
  const name = /^\w+(?=[\s,]|$)/.exec(authorization)?.[0].toLowerCase()
  const scheme = schemes.find(accepted => accepted.toLowerCase() === name)
  if (scheme === undefined) return none
  if (query !== '' && hasAccessToken(query)) throw new McpOAuthError('invalidRequest')
  const token = wellFormed.exec(authorization)?.[1]
  if (token !== undefined && token.length <= maxTokenChars) return { token, scheme }
  // One word with other characters may be a foreign token. Anything else is a malformed request.
  throw new McpOAuthError(/^\w+ +[^\s,]+$/.test(authorization) ? 'invalidToken' : 'invalidRequest')
}

function isRepeated (rawHeaders: readonly string[]): boolean {
  return rawHeaders.filter((name, index) => index % 2 === 0 && /^authorization$/i.test(name))
    .length > 1
}

/** Percent signs count, too: `URLSearchParams` decodes names. */
function hasAccessToken (query: string): boolean {
  return (query.includes('access_token') || query.includes('%')) &&
    new URLSearchParams(query).has('access_token')
}
