import assert from 'node:assert/strict'
import { errorTable } from '../../lib/errors.ts'
import { findCanary } from './canaries.ts'
import { loopbackUri } from './credentials.ts'
import type { Received } from './requests.ts'

/** A response that passed `checkReply`. */
export interface Reply {
  status: number
  headers: Headers
  text: string
  location: URL | null
  cookies: string[]
  json(): Record<string, any>
}

const internals =
  /FST_|ERR_|node_modules|\n\s+at |\bat \S+:\d+:\d+|\.ts\b|openid-client|oauth4webapi|ECONN|undici/
/** Random values, which may contain any text: compact serializations and long ids. */
const random = /\beyJ[\w.-]+|[\w-]{40,}/g
const errorNames = new Set<unknown>(Object.values(errorTable).map(([, error]) => error))

/**
 * Asserts the rules for every response: no secret, no internals, no caching of private responses.
 *
 * @param canaries secrets of this test, beside the shared ones
 */
export async function checkReply (
  response: Received,
  canaries: Iterable<string> = []
): Promise<Reply> {
  const { status, headers } = response
  const text = await response.text()
  const path = new URL(response.url).pathname
  const location = headers.get('location')
  const leak = findCanary(`${[...headers].join('\n')}\n${text}`, canaries)
  assert.equal(leak, undefined, `I2 ${path}`)
  assert.doesNotMatch(text.replaceAll(random, ''), internals, `I5 ${path}`)
  assert.equal(headers.get('server'), null, 'I5')
  if (path.includes('/oauth/')) checkOAuthReply(response, text, path)
  if (location !== null) assert.ok([302, 303].includes(status), 'never 307')
  return {
    status,
    headers,
    text,
    location: location === null ? null : new URL(location),
    cookies: headers.getSetCookie(),
    json: () => JSON.parse(text) as Record<string, any>
  }
}

function checkOAuthReply ({ status, headers }: Received, text: string, path: string): void {
  assert.equal(headers.get('x-content-type-options'), 'nosniff', `I5 ${path}`)
  if (!path.endsWith('/jwks')) {
    assert.match(headers.get('cache-control') ?? '', /no-store/, `I3 ${path}`)
  }
  assert.equal(headers.get('referrer-policy'), 'no-referrer')
  if (status >= 400 && text.startsWith('{')) {
    assert.ok(errorNames.has(JSON.parse(text).error), text)
  }
  if (status >= 500) assert.ok(headers.get('retry-after') !== null || status === 500, text)
}

/** Asserts an OAuth error as JSON, without further members. */
export function isError (reply: Reply, status: number, error: string, message = ''): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8', message)
  const body = reply.json()
  const members = ['error', 'error_description']
  assert.deepEqual([Object.keys(body), body['error']], [members, error], message)
  assert.equal(reply.location, null)
}

/** Asserts an error page that cannot be framed and does not redirect. */
export function isPage (reply: Reply, status: number, error: string, message = ''): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.equal(reply.location, null, message)
  assert.equal(reply.headers.get('access-control-allow-origin'), null, 'G-17')
  assert.equal(reply.headers.get('x-frame-options'), 'DENY', 'A-24')
  assert.match(reply.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, 'A-24')
  assert.ok(reply.text.includes(`<code>${error}</code>`), `${message} ${reply.text}`)
  assert.doesNotMatch(reply.text, /<script/i)
}

/** Asserts an error redirect to the client, with every parameter once. */
export function isErrorRedirect (
  { base: iss }: { base: string },
  reply: Reply,
  status: number,
  error: string,
  { uri = loopbackUri, state = 's t/ä' as string | null, message = '' } = {}
): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.ok(reply.location?.href.startsWith(uri), `${message} ${reply.location?.href}`)
  const params = reply.location?.searchParams as URLSearchParams
  const names = ['error', 'error_description', ...state === null ? [] : ['state'], 'iss']
  assert.deepEqual([...params.keys()], names, message)
  const values = ['error', 'state', 'iss'].map(name => params.get(name))
  assert.deepEqual(values, [error, state, iss], message)
}
