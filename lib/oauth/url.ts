/** Longest URL accepted anywhere, in characters. */
export const maxUrlLength = 2048

/**
 * Printable ASCII without the characters that carry meaning in shells, HTML attributes and quoted
 * header values.
 */
const plain = /^[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/

const loopbackAddress = /^127\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})$/

/**
 * Whether a host name means this machine: `localhost`, 127.0.0.0/8 in dotted form, `[::1]` (with or
 * without brackets). Expects the lower-cased `hostname` of a `URL`.
 */
export function isLoopbackHost (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname === '::1' ||
    loopbackAddress.test(hostname)
}

/**
 * Says what is wrong with the URL of a server (issuer, endpoint, resource), as an end of a
 * sentence, or `null` if nothing is.
 *
 * Good URLs are absolute, https (http on loopback), without user info and fragment, at most 2048
 * characters, and free of anything a shell, an HTML page or a header could mistake for syntax:
 * clients are known to hand endpoint URLs to a shell. The caller keeps the string: `new
 * URL(value).href` may name another issuer.
 */
export function problemOfServerUrl (
  value: unknown,
  { query = true }: { query?: boolean } = {}
): string | null {
  if (typeof value !== 'string' || value === '') return 'must be a URL'
  if (value.length > maxUrlLength) return `must have at most ${maxUrlLength} characters`
  if (
    !plain.test(value) || value.includes('$(')
  ) { return 'must not contain spaces, quotes or control characters' }
  if (
    !/^https?:\/\/[^/?#]/i.test(value) || !URL.canParse(value)
  ) { return 'must be an absolute http or https URL' }
  const url = new URL(value)
  if (
    url.protocol === 'http:' && !isLoopbackHost(url.hostname)
  ) { return 'must use https (http is for loopback only)' }
  // Also an empty user info, which URL drops without a word.
  if (authorityOf(value).includes('@')) return 'must not contain user info'
  if (value.includes('#')) return 'must not contain a fragment'
  if (!query && value.includes('?')) return 'must not contain a query'
  return null
}

function authorityOf (url: string): string {
  return /^[^:]+:\/\/([^/?#]*)/.exec(url)?.[1] ?? ''
}

/**
 * Whether two URLs name the same resource (RFC 8707 §2): scheme and host in any case, default port
 * spelled out or not, with or without a trailing slash. Path and query are compared as they are.
 * Anything that is not a clean http(s) URL is the same as nothing, itself included.
 */
export function sameResource (a: string, b: string): boolean {
  const canonical = canonicalResource(a)
  return canonical !== null && canonical === canonicalResource(b)
}

function canonicalResource (value: string): string | null {
  if (problemOfServerUrl(value) !== null) return null
  const { protocol, host } = new URL(value)
  // Path and query come from the string: URL would resolve dot segments and so equate different
  // names.
  const rest = value.slice(value.indexOf('://') + 3 + authorityOf(value).length)
  const [path = '', query] = splitOnce(rest, '?')
  return `${protocol}//${host}${path.endsWith('/') ? path.slice(0, -1) : path}${
    query === undefined ? '' : `?${query}`
  }`
}

function splitOnce (text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Adds parameters to the query of a redirect URI and leaves every byte that is there as it is (RFC
 * 6749 §3.1.2): `URLSearchParams` would write the existing query anew and damage it. Parameters
 * that are `undefined` are left out; values are percent-encoded.
 *
 * The URL must not have a fragment, and values no lone surrogates (`URIError`).
 */
export function appendQuery (
  url: string,
  params: Readonly<Record<string, string | undefined>>
): string {
  const added = Object.entries(params)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
    )
    .join('&')
  if (added === '') return url
  if (!url.includes('?')) return `${url}?${added}`
  return url.endsWith('?') || url.endsWith('&') ? url + added : `${url}&${added}`
}
