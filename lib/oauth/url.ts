/** Is a URL of a server acceptable, and which resource does it name? */

import { maxUrlChars } from '../limits.ts'

/** Names of this machine, as `Host`, `Origin` and redirect URIs spell them. */
export const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

/** Printable ASCII without characters that shells, HTML attributes and quoted headers interpret. */
const plain = /^[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/

const loopbackAddress = /^127(?:\.(?:0|[1-9]\d{0,2})){3}$/

/**
 * Whether a host name means this machine: also 127.0.0.0/8 in dotted form, and `::1` without its
 * brackets.
 *
 * @param hostname in lower case, as in `URL`
 */
export function isLoopbackHost (hostname: string) {
  return loopbackNames.includes(hostname) || hostname === '::1' || loopbackAddress.test(hostname)
}

/**
 * Checks the URL of a server (issuer, endpoint, resource). It must be absolute, https (http on
 * loopback), without user info and fragment, and free of shell, HTML and header syntax: some
 * clients hand endpoint URLs to a shell. Callers keep the text: `URL.href` may name another issuer.
 *
 * @param options `query` tells whether a query is allowed. Defaults to true
 * @returns the problem as the end of a sentence, or null
 */
export function problemOfServerUrl (
  value: unknown,
  { query = true }: { query?: boolean } = {}
): string | null {
  if (typeof value !== 'string' || value === '') return 'must be a URL'
  if (value.length > maxUrlChars) return `must have at most ${maxUrlChars} characters`
  if (!plain.test(value) || value.includes('$(')) {
    return 'must not contain spaces, quotes or control characters'
  }
  if (!/^https?:\/\/[^/?#]/i.test(value) || !URL.canParse(value)) {
    return 'must be an absolute http or https URL'
  }
  const { protocol, hostname } = new URL(value)
  if (protocol === 'http:' && !isLoopbackHost(hostname)) {
    return 'must use https (http is for loopback only)'
  }
  // Also an empty user info, which URL drops silently.
  if (authorityOf(value).includes('@')) return 'must not contain user info'
  if (value.includes('#')) return 'must not contain a fragment'
  if (!query && value.includes('?')) return 'must not contain a query'
  return null
}

function authorityOf (url: string) {
  return /^[^:]+:\/\/([^/?#]*)/.exec(url)?.[1] ?? ''
}

/**
 * Whether two URLs name the same resource (RFC 8707 §2): scheme and host in any case, with or
 * without default port and trailing slash. Path and query are compared as they are. An invalid URL
 * equals no URL, not even itself.
 */
export function sameResource (a: string, b: string) {
  const canonical = canonicalResource(a)
  return canonical !== null && canonical === canonicalResource(b)
}

function canonicalResource (value: string) {
  if (problemOfServerUrl(value) !== null) return null
  const { protocol, host } = new URL(value)
  // Not the path of `URL`, which resolves dot segments and so equates different names.
  const target = value.slice(value.indexOf('://') + 3 + authorityOf(value).length)
  const [path = '', ...query] = target.split('?')
  return [`${protocol}//${host}${path.replace(/\/$/, '')}`, ...query].join('?')
}

/**
 * Adds parameters to the query of a redirect URI and keeps its bytes (RFC 6749 §3.1.2), which
 * `URLSearchParams` would rewrite. Parameters that are `undefined` are left out.
 *
 * @param url without a fragment
 * @throws {URIError} for lone surrogates
 */
export function appendQuery (
  url: string,
  params: Record<string, string | undefined>
) {
  const added = Object.entries(params)
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
    )
    .join('&')
  if (added === '') return url
  if (!url.includes('?')) return `${url}?${added}`
  return url.endsWith('?') || url.endsWith('&') ? url + added : `${url}&${added}`
}
