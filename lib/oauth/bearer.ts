import { McpOAuthError } from '../errors.ts'

/** Longest access token, in bytes. */
export const maxTokenLength = 8192

/** How an access token is sent: RFC 6750 §2.1, RFC 9449 §7.1. */
export type Scheme = 'Bearer' | 'DPoP'

/** What the `Authorization` header of a request said. */
export type Credentials = { token: string, scheme: Scheme, none?: never } | {
  none: true
  token?: never
}

const none: Credentials = Object.freeze({ none: true })
const bearer: readonly Scheme[] = ['Bearer']

/** The scheme, and the `b64token` of RFC 6750 §2.1, which RFC 9449 §7.1 calls `token68`. */
const wellFormed = /^\w+ +([A-Za-z0-9._~+/-]+=*)$/

/**
 * Finds the access token of a request (RFC 6750 §2.1). Only the header is read; `query` (without
 * `?`) is looked at because a token there beside one in the header makes the request malformed (RFC
 * 6750 §2).
 *
 * Absent credentials and schemes that are not listed are `none`. Throws `invalidRequest` for
 * malformed ones, for two `Authorization` headers (Node keeps the first one only, hence
 * `rawHeaders`), and for a token in two places; `invalidToken` for a token that cannot be one.
 */
export function parseAccessToken (
  authorization: string | undefined,
  rawHeaders: readonly string[],
  query: string,
  schemes = bearer
): Credentials {
  if (authorization === undefined) return none
  if (repeated(rawHeaders)) throw new McpOAuthError('invalidRequest')
  const scheme = schemes.find(name => isScheme(name, authorization))
  if (scheme === undefined) return none

  if (query !== '' && hasAccessToken(query)) throw new McpOAuthError('invalidRequest')
  const token = wellFormed.exec(authorization)?.[1]
  if (token !== undefined && token.length <= maxTokenLength) return { token, scheme }
  // One word of foreign characters may be someone's token; no word, or several, is a mistake in the
  // request.
  throw new McpOAuthError(/^\w+ +[^\s,]+$/.test(authorization) ? 'invalidToken' : 'invalidRequest')
}

function isScheme (name: Scheme, authorization: string): boolean {
  const { length } = name
  if (authorization.startsWith(name) && authorization[length] === ' ') return true
  return authorization.slice(0, length).toLowerCase() === name.toLowerCase() &&
    /^$|[\s,]/.test(authorization.slice(length, length + 1))
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
  return (query.includes('access_token') || query.includes('%')) &&
    new URLSearchParams(query).has('access_token')
}
