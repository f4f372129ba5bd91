/** May a client have this redirect URI? */

import { maxUrlChars } from '../limits.ts'
import { isAppCallback } from './quirks.ts'
import { isLoopbackHost, loopbackNames } from './url.ts'

/** The redirect URIs that clients may have. */
export interface RedirectPolicy {
  /**
   * Patterns, one of which a URI must match, or `null` for any https URI, http on loopback, and
   * the callbacks of well-known apps:
   * - a URI matches itself, byte for byte;
   * - a URI with `/*` at its end matches all that begin with the text before the `*`
   *   (`https://app.example/cb/*`, `cursor://*`);
   * - either of them on http and loopback, without a port or with the port `*`, matches any port
   *   (RFC 8252 §7.3);
   * - a scheme and its colon (`https:`, `cursor:`) match all valid URIs of that scheme, which for
   *   `http:` are those on loopback.
   *
   * Hosts have no wildcard.
   */
  allowed: readonly string[] | null
  /** URLs, compared without their query, that no client may have: ours and the provider's. */
  forbidden: readonly string[]
}

/** Schemes that run code, read files or start programs: rejected whatever the policy allows. */
const dangerousSchemes = new Set((
  'about blob chrome chrome-extension cid content data feed file filesystem ftp ftps gopher ' +
  'intent jar javascript ldap mailto mid moz-extension ms-appinstaller ms-msdt resource search ' +
  'search-ms shell sftp sms smb ssh tel telnet urn vbscript view-source ws wss'
).split(' '))

/** Parameters of authorization responses: a URI with one of them would end up with two. */
const responseParameters = new Set((
  'access_token code error error_description error_uri expires_in id_token iss response scope ' +
  'session_state state token_type'
).split(' '))

const scheme = /^([a-z][a-z\d+.-]*):/
const loopbackHost = loopbackNames.map(name => name.replaceAll(/[.[\]]/g, '\\$&')).join('|')
const loopback = new RegExp(`^(http://(?:${loopbackHost}))(?::(0|[1-9]\\d{0,4}))?(?=[/?]|$)`)
const loopbackAnyPort = new RegExp(`^(http://(?:${loopbackHost})):\\*(?=/|$)`)

/**
 * Checks a redirect URI (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §4.1), as text: parsers repair
 * URIs that must not be repaired.
 *
 * @returns the problem as a fixed sentence that may be sent to the client, or null
 */
export function redirectUriProblem (uri: unknown, policy: RedirectPolicy) {
  return unsafeRedirectProblem(uri, policy) ?? (isAllowed(uri as string, policy)
    ? null
    : 'A redirect URI is not among those the operator allows.')
}

/** As {@link redirectUriProblem}, for URIs that no operator can allow. */
export function unsafeRedirectProblem (uri: unknown, { forbidden }: RedirectPolicy) {
  const problem = typeof uri !== 'string'
    ? 'must be a string'
    : syntaxProblem(uri) ?? (forbidden.map(endpointName).includes(endpointName(uri))
      ? 'points to the authorization server itself'
      : null)
  return problem && `A redirect URI ${problem}.`
}

function isAllowed (uri: string, { allowed }: RedirectPolicy) {
  return allowed?.some(pattern => matchesPattern(pattern, uri)) ??
    (/^https?:/.test(uri) || isAppCallback(uri))
}

/**
 * Checks a pattern of {@link RedirectPolicy}.
 *
 * @returns the problem as the end of a sentence, or null
 */
export function redirectPatternProblem (pattern: unknown): string | null {
  if (typeof pattern !== 'string' || pattern === '') return 'must be a string'
  const name = scheme.exec(pattern)?.[1]
  if (name === undefined) {
    return "must begin with a scheme in lower case. For every https URI give 'https:'"
  }
  if (dangerousSchemes.has(name)) return 'names a scheme that is never safe. Remove it'
  if (pattern === `${name}:`) return null
  if (/^https?:\/\/[^/:]*\*/.test(pattern)) return 'must name a host, which cannot have a wildcard'
  const example = pattern.replace(loopbackAnyPort, '$1').replace(/\/\*$/, '/x')
  if (example.includes('*')) {
    return 'may have * only as the port of a loopback host and after the last slash'
  }
  const problem = syntaxProblem(example)
  return problem && `${problem}. Give a URI as clients register it`
}

/**
 * Whether a requested URI is one of the registered ones, byte for byte, but with any port on
 * loopback (RFC 8252 §7.3), where `localhost`, `127.0.0.1` and `[::1]` are three hosts.
 */
export function redirectUriMatches (registered: readonly string[], requested: string) {
  if (registered.includes(requested)) return true
  return isLoopbackRedirect(requested) &&
    registered.some(uri => uri.replace(loopback, '$1') === requested.replace(loopback, '$1'))
}

/** Whether a redirect URI is http on one of the loopback names, in their exact spelling. */
export function isLoopbackRedirect (uri: string) {
  const match = loopback.exec(uri)
  return match !== null && Number(match[2] ?? 0) < 65536
}

/** Patterns of texts that no redirect URI may have, each with its problem. */
const unacceptable: ReadonlyArray<readonly [pattern: RegExp, problem: string]> = [
  [/^$|[^\x21-\x7e]|["'<>\\^`{|}]/, 'has characters that are not allowed'],
  [/%(?![\da-f]{2})|%[01][\da-f]|%7f/i, 'has an invalid percent-encoding'],
  [/#/, 'must not have a fragment'],
  [/\*/, 'must not have a wildcard'],
  [/^[^:]+:\/\/[^/?]*@/, 'must not have user info'],
  [/\/(?:\.|%2e){1,2}(?:[/?]|$)/i, 'must not have dot segments']
]

function syntaxProblem (uri: string) {
  if (uri.length > maxUrlChars) return 'is too long'
  const problem = unacceptable.find(([pattern]) => pattern.test(uri))?.[1]
  if (problem !== undefined) return problem
  const name = scheme.exec(uri)?.[1]
  if (name === undefined || dangerousSchemes.has(name) || !URL.canParse(uri)) {
    return 'has a scheme or form that is not allowed'
  }
  const { href, searchParams } = new URL(uri)
  if (href !== uri && href !== `${uri}/`) return 'must be in normal form'
  if (name === 'http' && !isLoopbackRedirect(uri)) {
    return 'must use https (http is for loopback only)'
  }
  return [...searchParams.keys()].some(key => responseParameters.has(key))
    ? 'has a parameter of authorization responses'
    : null
}

/**
 * Paths that may lead out of their folder on servers that decode, once more or leniently, or drop
 * parameters of segments, before they resolve: `%2f`, `%252e`, `%c0%ae`, `..;`.
 */
const mayLeave = /^[^?]*(?:%(?:2[5ef]|3b|5c|[89a-f])|(?<![^/])\.+(?![\w-]))/i

function matchesPattern (pattern: string, uri: string) {
  if (pattern.endsWith(':')) return uri.startsWith(pattern)
  const allowed = pattern.replace(loopbackAnyPort, '$1')
  const isAnyPort = loopback.exec(allowed)?.[2] === undefined
  const candidate = isAnyPort ? uri.replace(loopback, '$1') : uri
  if (!allowed.endsWith('/*')) return candidate === allowed
  const prefix = allowed.slice(0, -1)
  return candidate.startsWith(prefix) && !mayLeave.test(candidate.slice(prefix.length))
}

/** Loopback hosts are one machine, and routers decode paths: other spellings are no way around. */
function endpointName (value: string) {
  const { protocol, hostname, port, pathname } = new URL(value)
  let path = pathname
  try {
    path = decodeURIComponent(pathname)
  } catch {}
  const host = isLoopbackHost(hostname) ? 'loopback' : hostname.replace(/\.$/, '')
  // Without the lookbehind, a long row of slashes would take quadratic time.
  return `${protocol}//${host}:${port}${path.replace(/(?<!\/)\/+$/, '')}`
}
