import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import formbody from '@fastify/formbody'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { startGuarded, whoami, whoamiCall, type GuardedApp } from '../support/guarded.ts'
import { customizedHost } from '../support/host.ts'
import { sendRequest } from '../support/requests.ts'

type Host = () => FastifyInstance | Promise<FastifyInstance>

/** If a response of the plugin contains this text, the host has changed it. */
const canary = 'host-canary'

const hosts: Record<string, Host> = {
  '@fastify/formbody': () => withPlugin(formbody),
  '@fastify/cookie': () => withPlugin(cookie, { secret: 'x'.repeat(32), parseOptions: {} }),
  '@fastify/cors for one origin': () =>
    withPlugin(cors, { origin: 'https://host.example', credentials: true }),
  '@fastify/cors with strict preflights': () =>
    withPlugin(cors, { origin: ['https://host.example'], strictPreflight: true, methods: ['GET'] }),
  '@fastify/helmet': () => withPlugin(helmet),
  '@fastify/rate-limit': () => withPlugin(rateLimit, { max: 10_000 }),
  '@fastify/swagger': () =>
    withPlugin(swagger, { openapi: { info: { title: 'host', version: '1.0.0' } } }),
  'a JSON parser of its own': () => {
    const app = Fastify()
    app.removeContentTypeParser('application/json')
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, _body, done) => {
      done(null, { [canary]: true })
    })
    return app
  },
  'no parsers': () => {
    const app = Fastify()
    app.removeAllContentTypeParsers()
    return app
  },
  'a parser for everything': () => {
    const app = Fastify()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => {
      done(null, { [canary]: true })
    })
    return app
  },
  'an Ajv that removes, coerces and completes': () =>
    Fastify({
      ajv: {
        customOptions: {
          removeAdditional: 'all',
          coerceTypes: 'array',
          useDefaults: true,
          allErrors: true
        }
      }
    }),
  'validators and serializers of its own': () => {
    const app = Fastify()
    app.setValidatorCompiler(() => () => ({ error: new Error(canary) }))
    app.setSerializerCompiler(() => () => JSON.stringify({ [canary]: true }))
    return app
  },
  'an error handler that returns all details': () => {
    const app = Fastify()
    app.setErrorHandler(async (error: Error, _request, reply) =>
      await reply.code(500).send({ [canary]: error.message, stack: error.stack })
    )
    app.setNotFoundHandler(async (_request, reply) =>
      await reply.code(200).type('text/html').send(canary)
    )
    return app
  },
  'a page for every address': () => {
    const app = Fastify()
    app.get('/*', async (_request, reply) => await reply.type('text/html').send(canary))
    return app
  },
  trustProxy: () => Fastify({ trustProxy: true }),
  'an easy-going router': () =>
    Fastify({
      routerOptions: {
        ignoreTrailingSlash: true,
        ignoreDuplicateSlashes: true,
        caseSensitive: false
      }
    }),
  'a querystring parser of its own': () =>
    Fastify({ routerOptions: { querystringParser: () => ({ [canary]: { nested: ['x'] } }) } }),
  'a hook that requires a key, except where config.mcpOAuth is set': () => {
    const app = Fastify()
    app.addHook('onRequest', async (request, reply) => {
      if (
        request.routeOptions.config.mcpOAuth === undefined &&
        request.headers['x-host-key'] === undefined
      ) return await reply.code(401).send({ [canary]: 'a key is required' })
    })
    return app
  },
  'hooks that change every request and response': () => {
    const app = Fastify()
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('x-host', 'was here')
    })
    app.addHook('preSerialization', async (_request, _reply, payload) => payload)
    app.addHook('onSend', async (_request, _reply, payload) => {
      await new Promise(setImmediate)
      return payload
    })
    return app
  },
  'no HEAD routes': () => Fastify({ exposeHeadRoutes: false }),
  'a small body limit': () => Fastify({ bodyLimit: 100 }),
  'all of these': () => customizedHost()
}

async function withPlugin (plugin: unknown, options: object = {}): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(plugin as never, options)
  return app
}

const options: McpOAuthOptions = {
  clientId: 'server',
  clientSecret: 'upstream-secret',
  setupProxies: true,
  version: '2025-03-26',
  setupFakeDynamicRegistration: true,
  requiredScopes: ['read'],
  mcp: { server: whoami() }
}
const form = 'application/x-www-form-urlencoded'
const browser = { origin: 'https://page.example' }
const preflight = {
  ...browser,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'content-type'
}

interface Probe {
  path: string
  method?: string
  headers?: Record<string, string>
  body?: string
}

function probesOf (tokens: Record<'valid' | 'narrow', string>): Probe[] {
  const rpc = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
  const bearer = (token: string) => ({ ...rpc, authorization: `Bearer ${token}` })
  const register = (body: unknown, type = 'application/json') => ({
    path: '/oauth/register',
    method: 'POST',
    headers: { 'content-type': type, ...browser },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  })
  const token = (body: string, type = form) => ({
    path: '/oauth/token',
    method: 'POST',
    headers: { 'content-type': type, ...browser },
    body
  })
  const call = JSON.stringify(whoamiCall)
  const redirects = ['http://127.0.0.1/callback']
  return [
    { path: '/.well-known/oauth-protected-resource/mcp', headers: browser },
    { path: '/.well-known/oauth-authorization-server', headers: browser },
    { path: '/.well-known/openid-configuration', method: 'HEAD' },
    { path: '/.well-known/oauth-protected-resource/nothing', headers: browser },
    { path: '/.well-known/oauth-authorization-server', method: 'OPTIONS', headers: preflight },
    { path: '/.well-known/oauth-authorization-server', method: 'POST', headers: rpc, body: '{}' },
    { path: '/mcp' },
    { path: '/mcp', method: 'HEAD' },
    { path: '/mcp', method: 'POST', headers: rpc, body: call },
    { path: '/mcp', method: 'POST', headers: bearer('invalid'), body: call },
    { path: '/mcp', method: 'POST', headers: bearer(tokens.narrow), body: call },
    { path: '/mcp', method: 'POST', headers: bearer(tokens.valid), body: call },
    { path: '/mcp?a[b]=c', method: 'POST', headers: bearer(tokens.valid), body: call },
    { path: '/mcp', method: 'POST', headers: bearer(tokens.valid), body: '{' },
    {
      path: '/mcp',
      method: 'POST',
      headers: { ...bearer(tokens.valid), 'content-type': 'text/plain' },
      body: call
    },
    { path: '/mcp', headers: bearer(tokens.valid) },
    { path: '/mcp', method: 'POST', headers: { ...bearer(tokens.valid), ...browser }, body: call },
    { path: '/mcp', method: 'OPTIONS', headers: preflight },
    { path: '/mcp', method: 'OPTIONS', headers: { ...preflight, origin: 'http://localhost:6274' } },
    register({ redirect_uris: redirects, client_name: 'A client' }),
    register({ redirect_uris: redirects[0] }),
    register({ redirect_uris: redirects, client_name: 5 }),
    register({ redirect_uris: redirects, grant_types: 'authorization_code' }),
    register('{'),
    register('redirect_uris=x', form),
    { path: '/oauth/register' },
    { path: '/oauth/register', method: 'OPTIONS', headers: preflight },
    token('{}', 'application/json'),
    token('grant_type=password'),
    token('grant_type=authorization_code&grant_type=authorization_code'),
    token(
      'grant_type=authorization_code&code=x&client_id=nobody' +
        '&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&code_verifier=' +
        'v'.repeat(43)
    ),
    { path: '/oauth/token', method: 'OPTIONS', headers: preflight },
    { path: '/oauth/token?grant_type=password' },
    { path: '/oauth/authorize?client_id=nobody', headers: { accept: 'text/html' } },
    {
      path: '/oauth/authorize?client_id=nobody&client_id=nobody',
      headers: { accept: 'application/json' }
    }
  ]
}

/** Headers whose absence, presence or value decides what a client does. */
const decisive = [
  'www-authenticate',
  'content-type',
  'cache-control',
  'location',
  'allow',
  'retry-after',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'set-cookie'
]

/** The response to each probe, without the parts that differ between runs. */
async function responsesOf ({ origin, token }: GuardedApp): Promise<unknown[]> {
  const responses = []
  for (
    const { path, ...init } of probesOf({
      valid: await token(),
      narrow: await token({ scope: 'write' })
    })
  ) {
    const response = await sendRequest(origin + path, { ...init, redirect: 'manual' })
    const body = (await response.text())
      .replaceAll(origin, 'ORIGIN')
      .replaceAll(
        /\\"(?:token|expiresAt|exp|iat|iss)\\":(?:\d+|\\"[^"]*\\")/g,
        ''
      )
      .replaceAll(/"client_id":"[\w.-]{60,}"|"client_id_issued_at":\d+/g, '')
    const headers = decisive.map((name) =>
      `${name}: ${response.headers.get(name)?.replaceAll(origin, 'ORIGIN')}`
    )
    responses.push({
      probe: `${init.method ?? 'GET'} ${path} ${init.body ?? ''}`,
      status: response.status,
      headers,
      body
    })
  }
  return responses
}

let reference: Promise<unknown[]> | undefined

/** The responses to the probes in a plain host. */
function plainHostResponses (t: TestContext): Promise<unknown[]> {
  reference ??= startGuarded(t, options, { app: Fastify() }).then(responsesOf)
  return reference
}

test('each probe gets the intended status', async (t) => {
  const statuses = (await plainHostResponses(t) as Array<{ status: number }>).map(({ status }) =>
    status
  )
  assert.deepEqual(statuses, [
    200,
    200,
    200,
    404,
    204,
    405,
    401,
    401,
    401,
    401,
    403,
    200,
    200,
    400,
    400,
    405,
    403,
    403,
    204,
    201,
    400,
    400,
    400,
    400,
    400,
    405,
    204,
    400,
    400,
    400,
    401,
    204,
    405,
    400,
    400
  ])
})

for (const [name, build] of Object.entries(hosts)) {
  test(`our routes respond the same on this host: ${name} [G-19]`, async (t) => {
    const expected = await plainHostResponses(t)
    assert.deepEqual(
      await responsesOf(await startGuarded(t, options, { app: await build() })),
      expected
    )
  })

  test(`routes of the host respond the same with the plugin: ${name} [I10]`, async (t) => {
    const before = await build()
    t.after(() => before.close())
    addHostRoutes(before)
    await before.listen({ host: '127.0.0.1', port: 0 })
    const expected = await hostResponsesOf(before)

    const { app } = await startGuarded(t, options, { app: await build(), routes: addHostRoutes })
    assert.deepEqual(await hostResponsesOf(app), expected)
  })
}

function addHostRoutes (app: FastifyInstance): void {
  app.post('/host/echo', async ({ body }) => ({ body: body ?? null }))
  app.get('/host/error', async () => {
    throw new Error('host trouble')
  })
  app.post('/host/checked', {
    schema: {
      body: { type: 'object', properties: { n: { type: 'number', default: 1 } } },
      response: {
        200: {
          type: 'object',
          properties: { body: { type: 'object', additionalProperties: true } }
        }
      }
    }
  }, async ({ body }) => ({ body }))
  app.get('/host/query', async ({ query }) => ({ query }))
}

async function hostResponsesOf (app: FastifyInstance): Promise<unknown[]> {
  const key = { 'x-host-key': 'k', origin: 'https://host.example' }
  const post = (path: string, type: string, body: string) => ({
    path,
    method: 'POST',
    headers: { ...key, 'content-type': type },
    body
  })
  const probes: Probe[] = [
    post('/host/echo', 'application/json', '{"a":1}'),
    post('/host/echo', 'application/json', '{'),
    post('/host/echo', 'application/json', '{"__proto__":1}'),
    post('/host/echo', form, 'a=1&a=2'),
    post('/host/echo', 'text/plain', 'text'),
    post('/host/echo', 'application/x-unknown', 'text'),
    post('/host/checked', 'application/json', '{"n":"5","more":1}'),
    post('/host/checked', 'application/json', '{"n":"x"}'),
    { path: '/host/error', headers: key },
    { path: '/host/missing', headers: key },
    { path: '/host/query?a[b]=c&a=1', headers: key },
    { path: '/host/query', method: 'HEAD', headers: key },
    {
      path: '/host/query',
      method: 'OPTIONS',
      headers: { ...key, 'access-control-request-method': 'GET' }
    },
    { path: '/host/echo' },
    { path: '/.well-known/change-password', headers: key }
  ]
  const address = app.listeningOrigin.replace('[::1]', '127.0.0.1')
  const responses = []
  for (const { path, ...init } of probes) {
    const response = await sendRequest(address + path, init)
    const headers = [...response.headers].filter(([name]) => !/^(date|x-ratelimit-.*)$/.test(name))
    responses.push({
      path,
      init,
      status: response.status,
      headers,
      body: (await response.text()).replaceAll(/\.ts:\d+:\d+/g, '')
    })
  }
  return responses
}

test('the API documents of the host contain none of our routes', async (t) => {
  const { app } = await startGuarded(t, options, {
    app: await withPlugin(swagger, { openapi: { info: { title: 'host', version: '1.0.0' } } }),
    routes: addHostRoutes
  })
  assert.deepEqual(Object.keys(app.swagger().paths ?? {}), [
    '/host/echo',
    '/host/error',
    '/host/checked',
    '/host/query'
  ])
})

test('a rate limit of the host applies to our routes, with 429 as OAuth JSON', async (t) => {
  const { call, token, origin } = await startGuarded(t, options, {
    app: await withPlugin(rateLimit, { max: 1 })
  })
  const validToken = await token()
  for (
    const send of [
      () => call(validToken),
      () => sendRequest(`${origin}/.well-known/oauth-protected-resource/mcp`),
      () => sendRequest(`${origin}/oauth/token`, { method: 'POST' })
    ]
  ) {
    await send()
    const limited = await send()
    assert.equal(limited.status, 429)
    assert.ok(Number(limited.headers.get('retry-after')) > 0)
    assert.equal(typeof (await limited.json() as { error: unknown }).error, 'string')
  }
})

const brokerOptions = {
  issuer: 'https://id.example',
  clientId: 'server',
  clientSecret: 'secret',
  setupProxies: true,
  publicUrl: 'https://mcp.example'
}

test('pages and redirects of a login have an opener policy that popups survive, behind helmet', async (t) => {
  const app = await withPlugin(helmet)
  await app.register(mcpOAuth, brokerOptions)
  t.after(() => app.close())
  const registered = await app.inject({
    method: 'POST',
    url: '/oauth/register',
    payload: { redirect_uris: ['http://localhost/cb'] }
  })
  assert.equal(registered.headers['cross-origin-opener-policy'], 'same-origin', 'not a page')
  const { client_id: id } = registered.json()
  const valid = `client_id=${encodeURIComponent(id)}&redirect_uri=http://localhost/cb` +
    `&response_type=code&code_challenge_method=S256&code_challenge=${'x'.repeat(43)}`
  const headers = { accept: 'text/html' }
  for (
    const [url, status] of [
      [`/oauth/authorize?${valid}`, 200],
      [`/oauth/authorize?${valid}&response_mode=fragment`, 302],
      ['/oauth/authorize?client_id=unknown', 400],
      ['/oauth/callback?code=x&state=x', 400]
    ] as const
  ) {
    const reply = await app.inject({ url, headers })
    assert.equal(reply.statusCode, status, url)
    assert.equal(reply.headers['cross-origin-opener-policy'], 'unsafe-none', url)
  }
})

test('an error page has the opener policy where a hook of the host threw', async (t) => {
  const app = Fastify()
  await app.register(helmet)
  app.addHook('onRequest', async () => {
    throw Object.assign(new Error('inside'), { statusCode: 429 })
  })
  await app.register(mcpOAuth, brokerOptions)
  t.after(() => app.close())
  const reply = await app.inject({
    url: '/oauth/authorize',
    headers: { accept: 'text/html', 'accept-language': 'de' }
  })
  assert.equal(reply.statusCode, 429)
  assert.match(reply.body, /<h1 id="title">Zu viele Versuche</)
  assert.equal(reply.headers['cross-origin-opener-policy'], 'unsafe-none')
})

test('an error of the host whose code is a number keeps its status, with OAuth JSON', async (t) => {
  for (const status of [400, 401, 403, 404, 429, 503]) {
    const app = Fastify()
    app.addHook('onRequest', async ({ url }) => {
      if (url === '/mcp') throw Object.assign(new Error('no'), { statusCode: status, code: status })
    })
    const { mcpUrl } = await startGuarded(t, {}, { app })
    const reply = await sendRequest(mcpUrl, { method: 'POST' })
    assert.equal(reply.status, status)
    assert.equal(typeof Object(await reply.json()).error_description, 'string')
  }
})

test('POST /mcp is 503 if a verifier throws what is no error of ours, whatever its members', async (t) => {
  const odd = Object.assign(new Error('no'), { code: Symbol('code') })
  for (const thrown of [new DOMException('too late', 'TimeoutError'), odd, { message: {} }, null]) {
    const tokens = async () => {
      throw thrown
    }
    const { mcpUrl } = await startGuarded(t, { tokens })
    const headers = { authorization: 'Bearer x' }
    assert.equal((await sendRequest(mcpUrl, { method: 'POST', headers })).status, 503)
  }
})
