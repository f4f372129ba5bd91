/** Which parameters does a query or form have, and how often? */

import { causeWith, type ErrorDetails, McpOAuthError } from '../errors.ts'
import { maxFormChars, maxParameters } from '../limits.ts'
import { sameResource } from './url.ts'

/** Decoded parameters of a query or form, each name with all its values. */
export type RequestParameters = ReadonlyMap<string, readonly string[]>

/**
 * Parses a raw query (without `?`) or an `application/x-www-form-urlencoded` body. Repeated
 * parameters are kept.
 *
 * @throws {McpOAuthError} `invalidRequest` for too many parameters or characters, and for text that
 *   does not decode: repaired input would no longer be what the client sent
 */
export function parameters (raw: string): RequestParameters {
  if (raw.length > maxFormChars || /\p{Cs}/u.test(raw)) throw invalidRequest()
  const pairs = raw.split('&', maxParameters + 1)
  if (pairs.length > maxParameters) throw invalidRequest()
  const params = new Map<string, string[]>()
  for (const pair of pairs) {
    if (pair === '') continue
    const [name = '', ...rest] = pair.split('=')
    const key = decode(name)
    params.set(key, [...params.get(key) ?? [], decode(rest.join('='))])
  }
  return params
}

/**
 * Returns the value of a parameter that may be sent once. Absent and empty are the same (RFC 6749
 * §3.1).
 *
 * @throws {McpOAuthError} `invalidRequest` if it is repeated, or has control characters
 */
export function single (params: RequestParameters, name: string) {
  const value = verbatim(params, name)
  if (value !== undefined && /\p{Cc}/u.test(value)) throw invalidRequest()
  return value === '' ? undefined : value
}

/**
 * As {@link single}, for values that are only compared or returned: an empty one is a value, and
 * any character is allowed.
 */
export function verbatim (params: RequestParameters, name: string) {
  const [value, second] = params.get(name) ?? []
  if (second !== undefined) throw invalidRequest(`The parameter ${name} is repeated.`)
  return value
}

/**
 * Returns the value of a parameter that must be sent once, as `read` returns it.
 *
 * @param read defaults to {@link single}
 * @throws {McpOAuthError} `invalidRequest` if it is absent or empty, and as `read` throws
 */
export function required (params: RequestParameters, name: string, read = single) {
  const value = read(params, name)
  if (!value) throw invalidRequest(`The parameter ${name} is missing.`)
  return value
}

/**
 * Returns `ours`, in our spelling, if the `resource` parameter (RFC 8707 §2) names it, or
 * `undefined` if the parameter is absent or empty.
 *
 * @throws {McpOAuthError} `invalidTarget` for any other resource, and for several
 */
export function resourceOf (params: RequestParameters, ours: string) {
  const [value = '', second] = new Set(params.get('resource'))
  if (second === undefined && value === '') return undefined
  if (second !== undefined || !sameResource(value, ours)) {
    const cause = causeWith(
      `the requested resource, expected ${ours}`,
      String(params.get('resource'))
    )
    throw new McpOAuthError('invalidTarget', { cause })
  }
  return ours
}

/** The error for a malformed request. The cause is logged, never sent. */
export function invalidRequest (description?: string, details: ErrorDetails = {}) {
  return new McpOAuthError('invalidRequest', { ...details, ...description && { description } })
}

/**
 * Decodes a form-encoded name or value.
 *
 * @throws {McpOAuthError} `invalidRequest`
 */
export function decode (text: string) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw invalidRequest()
  }
}
