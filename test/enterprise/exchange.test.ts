import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { FastifyInstance } from 'fastify'
import { jwtVerifier, type McpAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { loggingApp } from '../support/app.ts'
import { findCanary } from '../support/canaries.ts'
import { providerClient, startFlow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { startIssuer } from '../support/issuer.ts'
import { basic, newSecret } from '../support/machines.ts'
import { entraError, startTokenEndpoint } from '../support/token-endpoint.ts'

const clientSecret = 'canary-exchange-secret'
const onBehalfOf = {
  grant: 'on-behalf-of' as const,
  scopes: ['api://calendar/Events.Read']
}

/** A tool that returns the token of an API. */
function calendarServer () {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool('token', {}, async ({ authInfo }) => ({
    content: [{ type: 'text', text: String(await (authInfo as McpAuth).tokenFor?.('calendar')) }]
  }))
  return server
}

const addRoute = (app: FastifyInstance) => {
  app.get(
    '/token',
    { onRequest: app.requireMcpAuth() },
    async ({ mcpAuth }) => ({ token: await mcpAuth?.tokenFor?.('calendar') })
  )
}

const callTool = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'token', arguments: {} }
}

/** A resource server whose callers have tokens of the provider, and the endpoint of another API. */
async function start (t: TestContext, options: Partial<McpOAuthOptions> = {}) {
  const endpoint = await startTokenEndpoint(t)
  const logs: string[] = []
  const calendar = { ...onBehalfOf, tokenEndpoint: endpoint.url, clientId: 'server', clientSecret }
  const guarded = await startGuarded(t, {
    exchange: { calendar },
    mcp: { server: calendarServer() },
    ...options
  } as McpOAuthOptions, { app: loggingApp(logs), routes: addRoute })
  const { app } = guarded
  return {
    ...guarded,
    endpoint,
    logs,
    get: (token: string) =>
      app.inject({ url: '/token', headers: { authorization: `Bearer ${token}` } }),
    useTool: (token: string) => useTool(app, token)
  }
}

async function useTool (app: FastifyInstance, token: string, host = 'localhost') {
  const { body } = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: {
      host,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    payload: callTool
  })
  return JSON.parse(/\{[^\n]*\}/.exec(body)?.[0] ?? '').result
}

test('tokenFor sends the on-behalf-of request of Entra, from routes and tools', async (t) => {
  const { endpoint, get, useTool, token, logs } = await start(t)
  const mine = await token()
  const response = await get(mine)
  assert.deepEqual(response.json(), { token: endpoint.issued[0] })
  const [request] = endpoint.requests
  assert.deepEqual(request?.params, {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    requested_token_use: 'on_behalf_of',
    assertion: mine,
    scope: 'api://calendar/Events.Read'
  })
  assert.equal(request?.headers.authorization, basic('server', clientSecret).authorization)
  const { content } = await useTool(mine)
  assert.equal(content[0].text, endpoint.issued[0], 'the same caller has it already')
  assert.equal(endpoint.requests.length, 1)
  const another = await token({ sub: 'bob' })
  assert.deepEqual((await get(another)).json(), { token: endpoint.issued[1] })
  assert.equal(endpoint.requests[1]?.params['assertion'], another)
  const secrets = [...endpoint.issued, clientSecret, mine, another]
  assert.equal(findCanary(logs.join(''), secrets), undefined)
  for (const value of secrets) assert.ok(!logs.join('').includes(value))
})

test('tokenFor sends the parameters of RFC 8693, with our account at the provider', async (t) => {
  const endpoint = await startTokenEndpoint(t)
  const { get, token, issuer } = await start(t, {
    ...providerClient,
    exchange: {
      calendar: { audience: 'calendar', resource: 'https://calendar.example', scopes: ['a', 'b'] }
    }
  })
  issuer.metadata['token_endpoint'] = endpoint.url
  const mine = await token()
  assert.deepEqual((await get(mine)).json(), { token: endpoint.issued[0] })
  const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
  assert.deepEqual(endpoint.requests[0]?.params, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: mine,
    subject_token_type: accessToken,
    requested_token_type: accessToken,
    audience: 'calendar',
    resource: 'https://calendar.example',
    scope: 'a b'
  })
  const { clientId, clientSecret } = providerClient
  const { authorization } = endpoint.requests[0]?.headers ?? {}
  assert.equal(authorization, basic(clientId, clientSecret).authorization)
})

test('tokenFor sends the secret in the body where the provider accepts nothing else', async (t) => {
  const endpoint = await startTokenEndpoint(t)
  const { get, token, issuer } = await start(t, {
    ...providerClient,
    exchange: { calendar: { audience: 'calendar' } }
  })
  issuer.metadata['token_endpoint'] = endpoint.url
  issuer.metadata['token_endpoint_auth_methods_supported'] = ['client_secret_post']
  assert.equal((await get(await token())).statusCode, 200)
  const { headers, params = {} } = endpoint.requests[0] ?? {}
  assert.equal(headers?.authorization, undefined)
  assert.equal(params['client_id'], providerClient.clientId)
  assert.equal(params['client_secret'], providerClient.clientSecret)
})

test('concurrent calls of one caller share a token request', async (t) => {
  const { endpoint, get, token } = await start(t)
  const mine = await token()
  await get(mine)
  endpoint.requests.length = 0
  endpoint.issued.length = 0
  const other = await token({ sub: 'bob' })
  const all = await Promise.all(Array.from({ length: 20 }, () => get(other)))
  assert.deepEqual(new Set(all.map(({ body }) => body)).size, 1)
  assert.equal(endpoint.requests.length, 1)
})

test('a token is not kept past its own end, or that of the token of the caller', async (t) => {
  const { endpoint, get, token } = await start(t)
  const now = Math.floor(Date.now() / 1000)
  const [short, long] = [await token({ exp: now + 20 }), await token({ exp: now + 3000 })]
  await get(short)
  await get(short)
  assert.equal(endpoint.requests.length, 1)
  t.mock.timers.enable({ apis: ['Date'], now: 1000 * (now + 25) })
  // Clocks differ: for 30 seconds, the token passes.
  assert.equal((await get(short)).statusCode, 200)
  assert.equal(endpoint.requests.length, 2, 'the token of the caller has expired')
  endpoint.lifetime = 100
  await get(long)
  t.mock.timers.setTime(1000 * (now + 25 + 69))
  await get(long)
  assert.equal(endpoint.requests.length, 3)
  t.mock.timers.setTime(1000 * (now + 25 + 71))
  await get(long)
  assert.equal(endpoint.requests.length, 4, 'the API gets no token that is about to expire')
  endpoint.lifetime = 0
  const other = await token({ sub: 'bob', exp: now + 3000 })
  await get(other)
  await get(other)
  assert.equal(endpoint.requests.length, 6, 'one whose lifetime is unknown is not kept')
})

test('a caller that was revoked gets no token, also not one in memory', async (t) => {
  const { app, endpoint, token } = await start(t)
  const caller = await callerOf(app, await token())
  assert.equal(await caller.tokenFor?.('calendar'), endpoint.issued[0])
  await app.mcpOAuth.revoke({ subject: String(caller.subject) })
  await assert.rejects(async () => await caller.tokenFor?.('calendar'), { kind: 'invalidToken' })
  assert.equal(endpoint.requests.length, 1)
})

/** The caller, as a verifier of the app hands it to guards. */
async function callerOf (app: FastifyInstance, token: string): Promise<McpAuth> {
  const request = { headers: { authorization: `Bearer ${token}` }, raw: { rawHeaders: [] } }
  const kept = { ...request, log: app.log, mcpAuth: null as McpAuth | null, routeOptions: {} }
  await app.requireMcpAuth()(kept as never, {} as never)
  return kept.mcpAuth as McpAuth
}

const login = 'The provider requires a new login or a consent of the user for this service.'
const denied = 'The provider does not let this user access this service.'
const hasNone = 'This caller has no token of the authorization provider.'
const unusable = 'The authorization provider sent an unusable response.'
const away = 'The authorization provider is unavailable at the moment.'
const claims = '{"access_token":{"polids":{"essential":true,"values":["9ab03e19"]}}}'

const answers: Array<[
  name: string,
  answer: ReturnType<typeof entraError>,
  status: number,
  sentence: string,
  retryAfter?: string
]> = [
  ['interaction_required', entraError('interaction_required', 50079, { claims }), 403, login],
  [
    'a missing consent',
    entraError('invalid_grant', 65001, { suberror: 'consent_required' }),
    403,
    login
  ],
  ['invalid_grant', entraError('invalid_grant', 50013), 403, login],
  ['mfa_required', { status: 403, body: { error: 'mfa_required' } }, 403, login],
  ['insufficient_scope', { status: 403, body: { error: 'insufficient_scope' } }, 403, denied],
  ['access_denied', { status: 403, body: { error: 'access_denied' } }, 403, denied],
  ['invalid_client', entraError('invalid_client', 7000215, {}, 401), 502, unusable, '5'],
  ['unauthorized_client', entraError('unauthorized_client', 700016), 502, unusable, '5'],
  ['invalid_scope', entraError('invalid_scope', 70011), 502, unusable, '5'],
  ['invalid_target', { status: 400, body: { error: 'invalid_target' } }, 502, unusable, '5'],
  ['a page', { body: '<html>canary-upstream-text' }, 502, unusable, '5'],
  [
    'a token of another type',
    { body: { access_token: 'canary-n-a', token_type: 'N_A' } },
    502,
    unusable,
    '5'
  ],
  ['a redirect', { status: 302, body: '', headers: { location: '/' } }, 502, unusable, '5'],
  [
    'temporarily_unavailable',
    entraError('temporarily_unavailable', 90033, {}, 503),
    503,
    away,
    '5'
  ],
  [
    'a rate limit',
    { status: 429, body: 'canary-upstream-text', headers: { 'retry-after': '7' } },
    503,
    away,
    '7'
  ]
]

for (const [name, answer, status, sentence, retryAfter] of answers) {
  test(`GET /token responds ${status} where the token endpoint answers ${name}`, async (t) => {
    const { endpoint, get, token, logs, useTool } = await start(t)
    endpoint.answer = answer
    const mine = await token()
    const response = await get(mine)
    assert.equal(response.statusCode, status, response.body)
    assert.equal(response.json().message, sentence)
    assert.equal(response.headers['retry-after'], retryAfter)
    const { isError, content } = await useTool(mine)
    assert.deepEqual([isError, content[0].text], [true, sentence])
    const text = logs.join('')
    assert.equal(findCanary(text, [clientSecret, 'canary-n-a']), undefined)
    assert.ok(!text.includes(mine))
    const lines = logs.map(line => JSON.parse(line)).filter(({ exchange }) => exchange)
    const expected = status === 403 ? [[30, 'calendar'], [30, 'calendar']] : [[50, 'calendar']]
    assert.deepEqual(lines.map(({ level, exchange }) => [level, exchange]), expected)
    assert.ok(lines[0].reason, 'the log has the reason')
    endpoint.answer = undefined
    assert.deepEqual((await get(mine)).json(), { token: endpoint.issued[0] }, 'nothing is kept')
  })
}

test('GET /token responds 503 where the token endpoint is unreachable', async (t) => {
  const { endpoint, get, token } = await start(t)
  endpoint.close()
  const response = await get(await token())
  assert.deepEqual([response.statusCode, response.headers['retry-after']], [503, '5'])
})

test('tokenFor throws at once for a name that the option does not have', async (t) => {
  const { app, token } = await start(t)
  const { tokenFor } = await callerOf(app, await token())
  for (const name of ['calender', '__proto__', 'toString']) {
    assert.throws(() => tokenFor?.(name), {
      name: 'TypeError',
      message: `tokenFor: the option exchange has no "${name}". It has: calendar`
    })
  }
})

test('the token of another issuer is not sent to the provider', async (t) => {
  const other = await startIssuer()
  t.after(() => other.close())
  const own = await startIssuer()
  t.after(() => own.close())
  const { endpoint, get, mcpUrl } = await start(t, {
    issuer: own.issuer,
    tokens: [jwtVerifier({ issuer: own.issuer }), jwtVerifier({ issuer: other.issuer })]
  })
  const foreign = await get(await other.mint({ aud: mcpUrl }))
  assert.deepEqual([foreign.statusCode, foreign.json().message], [403, hasNone])
  assert.equal(endpoint.requests.length, 0)
  assert.equal((await get(await own.mint({ aud: mcpUrl }))).statusCode, 200)
})

test('callers of a verifier that returns one object for several tokens stay apart', async (t) => {
  const issuer = 'https://id.example.com'
  const shared = Object.freeze({ token: 'canary-one', clientId: '', scopes: [] })
  const verify = Object.assign(async () => shared, { issuer })
  const { endpoint, get } = await start(t, { issuer, tokens: verify })
  for (const token of ['canary-one', 'canary-two']) await get(token)
  assert.deepEqual(endpoint.requests.map(({ params }) => params['assertion']), [
    'canary-one',
    'canary-two'
  ])
})

test('without the option, callers have no tokenFor', async (t) => {
  const { app, token } = await startGuarded(t)
  const mine = await token()
  const caller = await callerOf(app, mine)
  assert.equal('tokenFor' in caller, false)
})

test('a known token has one caller, and one function', async (t) => {
  const { app, token } = await start(t)
  const mine = await token()
  assert.equal(await callerOf(app, mine), await callerOf(app, mine))
})

test('the broker exchanges the token of the provider, which stays hidden [Q-25]', async (t) => {
  const { secret, hash } = newSecret()
  const endpoint = await startTokenEndpoint(t)
  const flow = await startFlow(t, {
    options: {
      mcp: { server: calendarServer() },
      exchange: {
        calendar: {
          audience: 'calendar',
          tokenEndpoint: endpoint.url,
          clientId: 'server',
          clientSecret
        }
      },
      clients: [{
        clientId: 'robot',
        secretHashes: [hash],
        grantTypes: ['client_credentials'],
        scopes: ['mcp:read']
      }]
    },
    routes (app) {
      addRoute(app)
      app.get('/caller', { onRequest: app.requireMcpAuth() }, async ({ mcpAuth }) => mcpAuth)
    }
  })
  const { app } = flow
  const get = async (url: string, token: string) =>
    await app.inject({ url, headers: { authorization: `Bearer ${token}` } })
  const { access_token: token } = await flow.tokens(await flow.register())
  const response = await get('/token', token)
  assert.deepEqual(response.json(), { token: endpoint.issued[0] })
  const { content } = await useTool(app, token, 'mcp.example.com')
  assert.equal(content[0].text, endpoint.issued[0])
  const [request] = endpoint.requests
  const subjectToken = request?.params['subject_token'] ?? ''
  assert.ok(subjectToken.includes('access') && flow.provider.canaries.has(subjectToken))
  assert.equal(request?.headers.authorization, basic('server', clientSecret).authorization)
  const text = JSON.stringify([request?.headers, request?.params])
  assert.equal(findCanary(text), undefined, 'the secret at the provider stays there')
  const caller = (await get('/caller', token)).json()
  assert.deepEqual([caller.upstream, caller.claims.upt], [undefined, undefined])
  assert.equal(findCanary(JSON.stringify(caller), [subjectToken]), undefined)
  const machine = await flow.token(
    { grant_type: 'client_credentials', scope: 'mcp:read' },
    basic('robot', secret)
  )
  const { access_token: ofMachine } = machine.json()
  const refused = await get('/token', ofMachine)
  assert.deepEqual([refused.statusCode, refused.json().message], [403, hasNone])
  assert.equal(endpoint.requests.length, 1)
  const secrets = [...endpoint.issued, ...flow.provider.canaries]
  assert.equal(findCanary(flow.logs.join(''), secrets), undefined)
})
