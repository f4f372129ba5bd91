import { McpOAuthError } from '../errors.ts'

/** Decoded parameters of a query or form, each name with all its values. */
export type RequestParameters = ReadonlyMap<string, readonly string[]>

/** Most parameters one request may have. */
const maxParameters = 50

/** Longest query or form, in characters. */
const maxLength = 65_536

/**
 * Reads a raw query (without `?`) or an `application/x-www-form-urlencoded` body. Repeated
 * parameters stay visible.
 *
 * Throws `invalidRequest` for more than 50 parameters, more than 65536 characters, and for what
 * does not decode to well-formed text: repaired input would no longer be what the client sent.
 */
export function parameters (raw: string): RequestParameters {
  if (raw.length > maxLength || /\p{Cs}/u.test(raw)) throw new McpOAuthError('invalidRequest')
  const pairs = raw.split('&', maxParameters + 1)
  if (pairs.length > maxParameters) throw new McpOAuthError('invalidRequest')
  const params = new Map<string, string[]>()
  for (const pair of pairs) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? '' : decode(pair.slice(at + 1))
    const values = params.get(name)
    if (values === undefined) params.set(name, [value])
    else values.push(value)
  }
  return params
}

/**
 * The value of a parameter that may be sent once. Absent and empty are the same (RFC 6749 §3.1).
 * Throws `invalidRequest` if it is repeated, or has control characters.
 */
export function single (params: RequestParameters, name: string): string | undefined {
  const value = verbatim(params, name)
  if (value !== undefined && /\p{Cc}/u.test(value)) throw new McpOAuthError('invalidRequest')
  return value === '' ? undefined : value
}

/**
 * As {@link single}, for values that are only ever compared or handed back: an empty one is a
 * value, and any character may be in it.
 */
export function verbatim (params: RequestParameters, name: string): string | undefined {
  const values = params.get(name)
  if (values !== undefined && values.length > 1) throw new McpOAuthError('invalidRequest')
  return values?.[0]
}

/**
 * Decodes one name or value of a form. Throws `invalidRequest` where it is not percent-encoded
 * UTF-8.
 */
function decode (text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new McpOAuthError('invalidRequest')
  }
}
