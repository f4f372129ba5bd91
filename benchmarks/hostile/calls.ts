import { echoCall, rpc } from '../frame/calls.ts'
import type { Call } from '../frame/slices.ts'

// The requests of a caller, or of nobody, that may cost much. `$n` in a body becomes another number
// in every request.

const large = 100_000

const legacyHeaders = { 'mcp-protocol-version': '2025-11-25' }
const batchHeaders = { 'mcp-protocol-version': '2025-03-26' }
const batch = (...messages: object[]): Call => ({
  headers: batchHeaders,
  body: JSON.stringify(messages.map((message, id) => ({ jsonrpc: '2.0', id, ...message })))
})
const callOf = (args: object, more: object = {}) =>
  rpc('legacy', 'tools/call', { name: 'echo', arguments: args, ...more })
const token = (text: string, more: Call = echoCall()): Call => ({
  ...more,
  expected: '',
  headers: { ...more.headers, authorization: `Bearer ${text}` }
})
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = (header: object, signature = 'A'.repeat(342)) =>
  `${part({ alg: 'RS256', typ: 'at+jwt', ...header })}.${
    part({ iss: 'http://127.0.0.1', aud: 'https://mcp.example.com', exp: 4e9, sub: 'x' })
  }.${signature}`
/** An object of about `size` characters, with as many members as fit. */
const wide = (size: number) =>
  Object.fromEntries(Array.from({ length: size / 10 }, (_, index) => [`m${index}`, 1]))
const nested = (depth: number): unknown => depth === 0 ? 1 : [nested(depth - 1)]

export const small: Record<string, Call> = {
  'the list': rpc('legacy', 'tools/list'),
  'the list, with a cursor': rpc('legacy', 'tools/list', { cursor: 'x' }),
  'the list, with an unknown parameter': rpc('legacy', 'tools/list', { x: 1 }),
  'the list, in a batch': batch({ method: 'tools/list' }),
  'the list and a ping, in a batch': batch({ method: 'tools/list' }, { method: 'ping' }),
  'the list, modern': rpc('modern', 'tools/list'),
  'the list, modern, of a new client each time': rpc('modern', 'tools/list', {}, 'client $n'),
  'other lists': rpc('legacy', 'prompts/list'),
  'the list of resources': rpc('legacy', 'resources/list'),
  'the list of templates': rpc('legacy', 'resources/templates/list'),
  'an unknown tool': rpc('legacy', 'tools/call', { name: 'no-$n', arguments: {} }),
  'an unknown tool, modern': rpc('modern', 'tools/call', { name: 'no', arguments: {} }),
  'a tool without the scope': {
    ...rpc('legacy', 'tools/call', { name: 'tool-5', arguments: { text: 'x' } })
  },
  'invalid arguments': callOf({ text: 5 }),
  'an unknown resource': rpc('legacy', 'resources/read', { uri: 'things://1/2/3/4/5' }),
  'an unknown method': rpc('legacy', 'no/such'),
  initialize: rpc('legacy', 'initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' }
  }),
  'a modern call of a new client each time': echoCall('modern', 'hello', 'client $n'),
  'fifty pings in a batch (3 kB)': batch(...Array.from({ length: 50 }, () => ({ method: 'ping' }))),
  'a cancellation of nothing': {
    headers: legacyHeaders,
    body: JSON.stringify({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 5 }
    })
  },
  'invalid JSON': { headers: legacyHeaders, body: '{"jsonrpc":' },
  GET: { method: 'GET' }
}

export const withoutToken: Record<string, Call> = {
  'no token': { ...echoCall(), expected: '' },
  'a token that is no JWT': token('x'.repeat(800)),
  'a bad signature': token(jwt({ kid: 'one' })),
  'an unknown key': token(jwt({ kid: 'two' })),
  'no algorithm': token(jwt({ alg: 'none' }, ''))
}

export const big: Record<string, Call> = {
  '100 kB of members in the arguments': callOf({ text: 'hello', ...wide(large) }),
  '100 kB of an unknown tool': rpc('legacy', 'tools/call', {
    name: 'no',
    arguments: { text: 'x'.repeat(large) }
  }),
  '100 kB of _meta': callOf({ text: 'hello' }, { _meta: wide(large) }),
  '100 kB of arrays, nested': callOf({
    text: 'hello',
    deep: Array.from({ length: large / 450 }, () => nested(200))
  }),
  '100 kB of a name': rpc('legacy', 'tools/call', { name: 'x'.repeat(large), arguments: {} }),
  '100 kB of a modern client': echoCall('modern', 'hello', '$n'.repeat(large / 2)),
  '100 kB of invalid JSON': { headers: legacyHeaders, body: '['.repeat(large) }
}

const verifierHash = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
const query = (client: string) =>
  new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: 'http://127.0.0.1:1234/callback',
    code_challenge: verifierHash,
    code_challenge_method: 'S256'
  }).toString()
const form = (fields: Record<string, string>, path: string): Call => ({
  path,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString()
})
const sealed =
  'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA'

export const broker: Record<string, Call> = {
  discovery: { method: 'GET', path: '/.well-known/oauth-authorization-server' },
  'authorize without parameters': { method: 'GET', path: '/oauth/authorize' },
  'authorize of an unknown client': {
    method: 'GET',
    path: `/oauth/authorize?${query('x')}`
  },
  register: {
    path: '/oauth/register',
    body: JSON.stringify({ redirect_uris: ['http://127.0.0.1:1234/callback'] })
  },
  'register with many redirect URIs': {
    path: '/oauth/register',
    body: JSON.stringify({
      redirect_uris: Array.from({ length: 400 }, (_, port) => `http://127.0.0.1:${port + 1}/x`)
    })
  },
  'a code that is none': form(
    { grant_type: 'authorization_code', code: sealed, client_id: 'x', code_verifier: 'x' },
    '/oauth/token'
  ),
  'a refresh token that is none': form(
    { grant_type: 'refresh_token', refresh_token: sealed, client_id: 'x' },
    '/oauth/token'
  ),
  'a callback of nobody': {
    method: 'GET',
    path: `/oauth/callback?state=${sealed}&code=x`
  }
}
