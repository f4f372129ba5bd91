import { isLoopbackHost, maxUrlLength } from './url.ts'

/** Which redirect URIs clients may have. */
export interface RedirectPolicy {
  /**
   * Patterns one of which a URI must match, or `null` for any https URI and http on loopback. A
   * pattern is one of
   * - a URI: matches itself, byte for byte;
   * - a URI that ends in `/*`: matches everything that begins with what precedes the `*`
   * (`https://app.example/cb/*`, `cursor://*`);
   * - either of them on `http://localhost`, `http://127.0.0.1` or `http://[::1]`: without a port,
   * or with `:*` for it, any port will do (RFC 8252 §7.3);
   * - a scheme and its colon (`https:`, `cursor:`): every acceptable URI of that scheme, which for
   * `http:` are those on loopback.
   *
   * There is no wildcard for hosts. `['https:', 'http:', 'cursor:']` is the default and one
   * private-use scheme.
   */
  allowed: readonly string[] | null
  /** URLs of our own and of the provider no client may be sent to; their query does not matter. */
  forbidden: readonly string[]
}

/**
 * Schemes that run code, read files or start programs: never acceptable, whatever the policy lists.
 */
const dangerousSchemes = new Set([
  'about',
  'blob',
  'chrome',
  'chrome-extension',
  'cid',
  'content',
  'data',
  'feed',
  'file',
  'filesystem',
  'ftp',
  'ftps',
  'gopher',
  'intent',
  'jar',
  'javascript',
  'ldap',
  'mailto',
  'mid',
  'moz-extension',
  'ms-appinstaller',
  'ms-msdt',
  'resource',
  'search',
  'search-ms',
  'shell',
  'sftp',
  'sms',
  'smb',
  'ssh',
  'tel',
  'telnet',
  'urn',
  'vbscript',
  'view-source',
  'ws',
  'wss'
])

/** Parameters of authorization responses: a URI that has one already would end up with two. */
const responseParameters = new Set([
  'access_token',
  'code',
  'error',
  'error_description',
  'error_uri',
  'expires_in',
  'id_token',
  'iss',
  'response',
  'scope',
  'session_state',
  'state',
  'token_type'
])

const scheme = /^([a-z][a-z\d+.-]*):/
const loopback = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::([1-9]\d{0,4}))?(?=[/?]|$)/
const loopbackAnyPort = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])):\*(?=\/|$)/

/**
 * Says what is wrong with a redirect URI a client asks for, as a fixed sentence that may go to the
 * client, or `null` if nothing is. RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1. The raw string is
 * judged: parsers repair what must not be repaired.
 */
export function redirectUriProblem (
  uri: unknown,
  { allowed, forbidden }: RedirectPolicy
): string | null {
  const problem = syntaxProblem(uri)
  if (problem !== null || typeof uri !== 'string') return problem
  if (
    allowed === null
      ? !/^https?:/.test(uri)
      : !allowed.some((pattern) => matchesPattern(pattern, uri))
  ) {
    return 'A redirect URI is not among those the operator allows.'
  }
  return forbidden.some((url) => sameEndpoint(url, uri))
    ? 'A redirect URI points to the authorization server itself.'
    : null
}

/**
 * Says what is wrong with a pattern of `RedirectPolicy.allowed`, as an end of a sentence, or `null`
 * if nothing is.
 */
export function redirectPatternProblem (pattern: unknown): string | null {
  if (typeof pattern !== 'string' || pattern === '') return 'must be a string'
  const name = scheme.exec(pattern)?.[1]
  if (
    name === undefined
  ) { return "must begin with a scheme in lower case; for every https URI give 'https:'" }
  if (dangerousSchemes.has(name)) return 'names a scheme that is never safe'
  if (pattern === `${name}:`) return null
  if (/^https?:\/\/[^/:]*\*/.test(pattern)) return 'must name a host, which cannot have a wildcard'
  const example = pattern.replace(loopbackAnyPort, '$1').replace(/\/\*$/, '/x')
  if (
    example.includes('*')
  ) { return 'may have * only as the port of a loopback host and after the last slash' }
  return syntaxProblem(example) === null ? null : 'is not an acceptable redirect URI'
}

/**
 * Whether `asked` is one of the registered URIs: byte for byte, save that the port of a loopback
 * URI may be any (RFC 8252 §7.3).
 * `localhost`, `127.0.0.1` and `[::1]` are three hosts.
 */
export function redirectUriMatches (registered: readonly string[], asked: string): boolean {
  if (registered.includes(asked)) return true
  return isLoopbackRedirect(asked) &&
    registered.some((uri) => uri.replace(loopback, '$1') === asked.replace(loopback, '$1'))
}

/** Whether a redirect URI is http on `localhost`, `127.0.0.1` or `[::1]`, spelled exactly so. */
export function isLoopbackRedirect (uri: string): boolean {
  const found = loopback.exec(uri)
  return found !== null && Number(found[2] ?? 0) < 65536
}

function syntaxProblem (uri: unknown): string | null {
  if (typeof uri !== 'string') return 'A redirect URI must be a string.'
  if (uri.length > maxUrlLength) return 'A redirect URI is too long.'
  if (
    !/^[\x21-\x7e]+$/.test(uri) || /["'<>\\^`{|}]/.test(uri)
  ) { return 'A redirect URI has characters that are not allowed.' }
  if (
    /%(?![\da-f]{2})|%[01][\da-f]|%7f/i.test(uri)
  ) { return 'A redirect URI has a percent sign that encodes nothing allowed.' }
  if (uri.includes('#')) return 'A redirect URI must not have a fragment.'
  if (uri.includes('*')) return 'A redirect URI must not have a wildcard.'
  const name = scheme.exec(uri)?.[1]
  if (
    name === undefined || dangerousSchemes.has(name) || !URL.canParse(uri)
  ) { return 'A redirect URI has a scheme or form that is not allowed.' }
  if (/^[^:]+:\/\/[^/?]*@/.test(uri)) return 'A redirect URI must not have user info.'
  if (/\/(?:\.|%2e){1,2}(?:[/?]|$)/i.test(uri)) return 'A redirect URI must not have dot segments.'
  const { href, searchParams } = new URL(uri)
  if (href !== uri && href !== `${uri}/`) return 'A redirect URI must be in normal form.'
  if (
    name === 'http' && !isLoopbackRedirect(uri)
  ) { return 'A redirect URI must use https (http is for loopback only).' }
  return [...searchParams.keys()].some((key) => responseParameters.has(key))
    ? 'A redirect URI has a parameter of authorization responses.'
    : null
}

function matchesPattern (pattern: string, uri: string): boolean {
  if (pattern.endsWith(':')) return uri.startsWith(pattern)
  const wanted = pattern.replace(loopbackAnyPort, '$1')
  const anyPort = loopback.exec(wanted)?.[2] === undefined
  const candidate = anyPort ? uri.replace(loopback, '$1') : uri
  if (!wanted.endsWith('/*')) return candidate === wanted
  // An encoded slash may climb out of the prefix on servers that decode before they resolve.
  return candidate.startsWith(wanted.slice(0, -1)) && !/%(?:2f|5c)/i.test(candidate)
}

function sameEndpoint (a: string, b: string): boolean {
  const name = endpointName(a)
  return name !== null && name === endpointName(b)
}

/**
 * Spelling does not help to get around: loopback hosts are one machine, and a router decodes paths.
 */
function endpointName (value: string): string | null {
  if (!URL.canParse(value)) return null
  const { protocol, hostname, port, pathname } = new URL(value)
  let path = pathname
  try {
    path = decodeURIComponent(pathname)
  } catch {}
  const host = isLoopbackHost(hostname) ? 'loopback' : hostname.replace(/\.$/, '')
  return `${protocol}//${host}:${port}${withoutSlashes(path)}`
}

// A regular expression would try every slash of a long row of them as the first.
function withoutSlashes (path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end--
  return path.slice(0, end)
}
