import { McpOAuthError } from '../errors.ts'

/** Longest access token, in bytes. */
export const maxTokenLength = 8192

/** What the `Authorization` header of a request said. */
export type BearerResult = { token: string, none?: never } | { none: true, token?: never }

const none: BearerResult = Object.freeze({ none: true })

/** RFC 6750 §2.1 with the token of its `b64token`. */
const wellFormed = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i

/**
 * Finds the access token of a request (RFC 6750 §2.1). Only the header is read; `query` (without `?`) is looked at because a token there beside
 * one in the header makes the request malformed (RFC 6750 §2).
 *
 * Absent credentials and other schemes are `none`. Throws `invalidRequest` for a malformed `Bearer`, for two `Authorization` headers (Node keeps
 * the first one only, hence `rawHeaders`), and for a token in two places; `invalidToken` for a token that cannot be one.
 */
export function bearerToken (authorization: string | undefined, rawHeaders: readonly string[], query: string): BearerResult {
  if (authorization === undefined) return none
  if (repeated(rawHeaders)) throw new McpOAuthError('invalidRequest')
  if (!isBearer(authorization)) return none

  if (query !== '' && hasAccessToken(query)) throw new McpOAuthError('invalidRequest')
  const token = wellFormed.exec(authorization)?.[1]
  if (token !== undefined && token.length <= maxTokenLength) return { token }
  // One word of foreign characters may be someone's token; no word, or several, is a mistake in the request.
  throw new McpOAuthError(/^bearer +[^\s,]+$/i.test(authorization) ? 'invalidToken' : 'invalidRequest')
}

function isBearer (authorization: string): boolean {
  if (authorization.startsWith('Bearer ')) return true
  return authorization.slice(0, 6).toLowerCase() === 'bearer' && /^$|[\s,]/.test(authorization.slice(6, 7))
}

function repeated (rawHeaders: readonly string[]): boolean {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 13 && name.toLowerCase() === 'authorization' && ++count === 2) return true
  }
  return false
}

/** A spelling with percent signs counts as well: `URLSearchParams` decodes names. */
function hasAccessToken (query: string): boolean {
  return (query.includes('access_token') || query.includes('%')) && new URLSearchParams(query).has('access_token')
}
