/** Which access token does a request carry? */

import { McpOAuthError } from '../errors.ts'
import { maxTokenChars } from '../limits.ts'

/** How an access token is sent: RFC 6750 §2.1, RFC 9449 §7.1. */
export type Scheme = 'Bearer' | 'DPoP'

/** The scheme, and the `b64token` of RFC 6750 §2.1, which RFC 9449 §7.1 calls `token68`. */
const wellFormed = /^\w+ +([A-Za-z0-9._~+/-]+=*)$/

/** Node drops a second header. */
function assertOneHeader (rawHeaders: readonly string[]) {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === 13 && name.toLowerCase() === 'authorization') count++
  }
  if (count > 1) throw new McpOAuthError('invalidRequest')
}

/** RFC 6750 §2. */
function assertNotInQuery (query: string) {
  const isInQuery = query && new URLSearchParams(query).has('access_token')
  if (isInQuery) throw new McpOAuthError('invalidRequest')
}

/** @throws {McpOAuthError} `invalidRequest` for credentials in a second header or in the query */
export function assertSentOnce (rawHeaders: readonly string[], query: string) {
  assertOneHeader(rawHeaders)
  assertNotInQuery(query)
}

/**
 * Reads the access token of a request (RFC 6750 §2.1) from its header, never from its query.
 *
 * @param rawHeaders reveal a second `Authorization` header, which Node drops
 * @param query without `?`; a token there beside one in the header is malformed (RFC 6750 §2)
 * @param schemes accepted schemes
 * @returns null if there is no token of an accepted scheme
 * @throws {McpOAuthError} `invalidRequest` for malformed or repeated credentials; `invalidToken`
 *   for text that cannot be a token
 */
export function parseAccessToken (
  authorization: string | undefined,
  rawHeaders: readonly string[],
  query: string,
  schemes: readonly Scheme[]
): { token: string, scheme: Scheme } | null {
  if (authorization === undefined) return null
  assertOneHeader(rawHeaders)
  const name = /^\w+(?=[\s,]|$)/.exec(authorization)?.[0].toLowerCase()
  const scheme = schemes.find(accepted => accepted.toLowerCase() === name)
  if (scheme === undefined) return null
  assertNotInQuery(query)
  const token = wellFormed.exec(authorization)?.[1]
  if (token !== undefined && token.length <= maxTokenChars) return { token, scheme }
  // One word with other characters may be a foreign token. Anything else is a malformed request.
  throw new McpOAuthError(/^\w+ +[^\s,]+$/.test(authorization) ? 'invalidToken' : 'invalidRequest')
}

/** Returns why a token was not read from the header; undefined if there is none. */
export function rejectedScheme (authorization = '', dpop: string) {
  const [, scheme] = /^(bearer|dpop) /i.exec(authorization) ?? []
  return scheme === undefined
    ? undefined
    : new Error(`a token has the scheme ${scheme}, which the option dpop ('${dpop}') rejects`)
}
