import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { mcpOAuth, McpOAuthError, type McpOAuthOptions } from '../lib/index.ts'
import { buildApp } from './support/app.ts'
import { freePort } from './support/broker.ts'
import { connectClient, headlessOAuth } from './support/login.ts'
import { startProvider } from './support/provider.ts'

const message = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const headers = { accept: 'application/json, text/event-stream', host: 'localhost' }

async function start (
  t: TestContext,
  options: McpOAuthOptions,
  routes = addItems
): Promise<FastifyInstance> {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, { mcp: { tools: true }, ...options })
  routes(app)
  await app.ready()
  return app
}

function addItems (app: FastifyInstance) {
  app.get('/items', { schema: { operationId: 'listItems' } }, async () => ['one'])
}

async function call (
  app: FastifyInstance,
  more: Record<string, string> = {},
  url = '/mcp',
  payload: object = message
) {
  return await app.inject({ method: 'POST', url, headers: { ...headers, ...more }, payload })
}

/** A dependency as in the examples: it accepts one token. */
async function authenticateRequest (request: FastifyRequest) {
  if (request.headers.authorization !== 'Bearer valid') {
    throw Object.assign(new Error('Unauthorized'), { statusCode: 401 })
  }
  return { userId: 'extracted-from-token' }
}

test('a dependency checks every call, also with the proxies of its provider', async (t) => {
  const example = {
    dependencies: [authenticateRequest],
    issuer: 'https://your-auth-provider.com',
    clientId: 'your-client-id',
    setupProxies: true
  }
  const rejected = await call(await start(t, example))
  assert.equal(rejected.statusCode, 401)
  assert.match(
    String(rejected.headers['www-authenticate']),
    /^Bearer resource_metadata="http:\/\/localhost\/\.well-known\/oauth-protected-resource\/mcp"/
  )
  // Behind the broker, tokens are the broker's own. A dependency that checks tokens itself sets
  // `tokens: false` or runs with the thin proxies.
  for (
    const extra of [{ tokens: false }, {
      version: '2025-03-26',
      setupFakeDynamicRegistration: false
    }] as const
  ) {
    const passed = await call(await start(t, { ...example, ...extra }), {
      authorization: 'Bearer valid'
    })
    assert.equal(passed.statusCode, 200)
    assert.match(passed.body, /listItems/)
  }
})

test('customOAuthMetadata are served as given, without members that are null', async (t) => {
  const app = await start(t, {
    customOAuthMetadata: {
      issuer: 'https://api.example.com',
      authorization_endpoint: 'https://auth.example.com/oauth/authorize',
      token_endpoint: 'https://auth.example.com/oauth/token',
      scopes_supported: ['read', 'write', 'admin'],
      grant_types_supported: ['authorization_code', 'client_credentials'],
      registration_endpoint: 'https://auth.example.com/oauth/register'
    },
    dependencies: [authenticateRequest]
  })
  const document = (await app.inject('/.well-known/oauth-authorization-server')).json()
  assert.equal(document.issuer, 'https://api.example.com')
  assert.equal(document.registration_endpoint, 'https://auth.example.com/oauth/register')
  assert.deepEqual(document.scopes_supported, ['read', 'write', 'admin'])
  assert.ok(!Object.values(document).includes(null))
  assert.equal((await call(app)).statusCode, 401)
  assert.equal((await call(app, { authorization: 'Bearer valid' })).statusCode, 200)
})

test('Auth0: metadataUrl, authorizeUrl and audience are used as given', async (t) => {
  const example = {
    issuer: 'https://your-tenant.auth0.com',
    oauthMetadataUrl: 'https://your-tenant.auth0.com/.well-known/openid_configuration',
    authorizeUrl: 'https://your-tenant.auth0.com/authorize',
    clientId: 'your-auth0-client-id',
    audience: 'https://your-api.com',
    setupProxies: true
  }
  assert.equal((await call(await start(t, example))).statusCode, 401)

  const { issuer, close } = await startProvider()
  t.after(close)
  const app = await start(t, {
    ...example,
    issuer,
    oauthMetadataUrl: `${issuer}/.well-known/openid-configuration`,
    authorizeUrl: `${issuer}/elsewhere`
  })
  const sent = await authorize(app)
  assert.equal(sent.origin + sent.pathname, `${issuer}/elsewhere`)
  assert.equal(sent.searchParams.get('client_id'), 'your-auth0-client-id')
  assert.equal(sent.searchParams.get('audience'), 'https://your-api.com')
})

test('Okta: the issuer may have a path, and the default scope may be extended', async (t) => {
  const example = {
    issuer: 'https://your-org.okta.com/oauth2/default',
    clientId: 'your-okta-client-id',
    setupProxies: true,
    defaultScope: 'openid profile email api:read'
  }
  assert.equal((await call(await start(t, example))).statusCode, 401)

  const { issuer, close } = await startProvider()
  t.after(close)
  const sent = await authorize(await start(t, { ...example, issuer }))
  assert.equal(sent.origin + sent.pathname, `${issuer}/auth`)
  assert.equal(sent.searchParams.get('scope'), 'openid profile email api:read')
})

/**
 * Registers a client, requests authorization, consents, and returns the URL to which the browser is
 * redirected.
 */
async function authorize (app: FastifyInstance): Promise<URL> {
  const redirectUri = 'http://127.0.0.1:4711/callback'
  const client = await app.inject({
    method: 'POST',
    url: '/oauth/register',
    payload: { redirect_uris: [redirectUri] }
  })
  assert.equal(client.statusCode, 201)
  const page = await app.inject({
    url: '/oauth/authorize',
    query: {
      response_type: 'code',
      client_id: client.json().client_id,
      redirect_uri: redirectUri,
      code_challenge: createHash('sha256').update('verifier').digest('base64url'),
      code_challenge_method: 'S256'
    }
  })
  assert.equal(page.statusCode, 200)
  const [, request = ''] = /name="request" value="([^"]+)"/.exec(page.body) ?? []
  const response = await app.inject({
    method: 'POST',
    url: '/oauth/consent',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      cookie: String(page.headers['set-cookie']).split(';')[0] ?? ''
    },
    payload: new URLSearchParams({ request, action: 'approve' }).toString()
  })
  assert.equal(response.statusCode, 303, response.body)
  return new URL(String(response.headers.location))
}

test('the proxies log in a client that requires dynamic registration, at a provider without it', async (t) => {
  const oauth = headlessOAuth({ user: 'bob' })
  const port = await freePort()
  const provider = await startProvider({
    registration: false,
    clients: [{
      client_id: 'your-client-id',
      client_secret: 'your-client-secret',
      redirect_uris: [`http://localhost:${port}/oauth/callback`]
    }]
  })
  const { mcpUrl, origin } = await buildApp(t, {
    issuer: provider.issuer,
    clientId: 'your-client-id',
    clientSecret: 'your-client-secret',
    setupProxies: true,
    setupFakeDynamicRegistration: true,
    mcp: { tools: true }
  }, { routes: addItems, closeLast: provider, port })

  const document = await (await fetch(`${origin}/.well-known/oauth-authorization-server`))
    .json() as Record<string, unknown>
  assert.equal(document['authorization_endpoint'], `${origin}/oauth/authorize`)
  assert.equal(document['registration_endpoint'], `${origin}/oauth/register`)

  const client = await connectClient(mcpUrl, { oauth })
  t.after(() => client.close())
  assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['listItems'])
  assert.ok(oauth.client?.client_id)
  assert.equal(oauth.client.client_secret, undefined)
})

test('a server without authentication requires auth: false, with or without metadata', async (t) => {
  const app = await start(t, { auth: false })
  assert.equal((await call(app)).statusCode, 200)

  const customOAuthMetadata = {
    issuer: 'https://api.example.com',
    token_endpoint: 'https://api.example.com/token'
  }
  const described = await start(t, { auth: false, customOAuthMetadata })
  assert.equal((await call(described)).statusCode, 200)
  assert.equal(
    (await described.inject('/.well-known/oauth-authorization-server')).json().token_endpoint,
    'https://api.example.com/token'
  )

  await assert.rejects(
    start(t, { customOAuthMetadata }),
    (error) => error instanceof McpOAuthError && error.statusCode === 500
  )
  await assert.rejects(start(t, {}), McpOAuthError)
})

test('two versions of an API trust two providers', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, {
    issuer: 'https://legacy-auth.com',
    clientId: 'legacy-client',
    mcp: { path: '/mcp/v1', tools: true }
  })
  await app.register(mcpOAuth, {
    issuer: 'https://new-auth.com',
    clientId: 'new-client',
    setupProxies: true,
    prefix: '/v2',
    mcp: { path: '/mcp', tools: true }
  })
  addItems(app)
  await app.ready()

  const legacy = (await app.inject('/.well-known/oauth-protected-resource/mcp/v1')).json()
  assert.deepEqual(legacy.authorization_servers, ['https://legacy-auth.com'])
  const modern = (await app.inject('/.well-known/oauth-protected-resource/v2/mcp')).json()
  assert.deepEqual(modern.authorization_servers, ['http://localhost/v2'])
  assert.equal((await call(app, {}, '/mcp/v1')).statusCode, 401)
  assert.equal((await call(app, {}, '/v2/mcp')).statusCode, 401)
})

test('tools/call forwards the headers that the option headers names, and no others', async (t) => {
  const received: Array<Record<string, unknown>> = []
  const app = await start(t, {
    dependencies: [async ({ headers }) => {
      if (headers['x-api-key'] !== 'key') {
        throw Object.assign(new Error('Unauthorized'), { statusCode: 401 })
      }
    }],
    headers: ['authorization', 'x-api-key', 'x-tenant-id']
  }, (app) => {
    app.get(
      '/items',
      { schema: { operationId: 'listItems' } },
      async ({ headers }) => [received.push(headers)]
    )
  })
  const request = { ...message, method: 'tools/call', params: { name: 'listItems', arguments: {} } }
  const sent = {
    authorization: 'Bearer t',
    'x-api-key': 'key',
    'x-tenant-id': '7',
    'x-other': 'secret',
    cookie: 'session=1'
  }
  assert.equal((await call(app, sent, '/mcp', request)).statusCode, 200)
  const [
    { authorization, 'x-api-key': key, 'x-tenant-id': tenant, 'x-other': other, cookie } = {},
    ...more
  ] = received
  assert.deepEqual([authorization, key, tenant, other, cookie], [
    'Bearer t',
    'key',
    '7',
    undefined,
    undefined
  ])
  assert.equal(more.length, 0)
})

test('every route is a tool, also without an operation id, as with FastAPI-MCP [field:T19]', async (t) => {
  const app = await start(t, { dependencies: [authenticateRequest] }, (app) => {
    app.get('/items', async () => ['one'])
    app.get<{ Params: { item_id: string } }>(
      '/items/:item_id',
      { onRequest: app.requireMcpAuth() },
      async ({ params, mcpAuth }) => ({ id: params.item_id, owner: mcpAuth?.['userId'] })
    )
    app.delete('/items/:item_id', { config: { mcp: false } }, async () => {})
  })
  const caller = { authorization: 'Bearer valid' }
  const { result: { tools } } = (await call(app, caller)).json()
  assert.deepEqual(
    tools.map(({ name }: { name: string }) => name),
    ['get_items', 'get_items_by_item_id']
  )
  const params = { name: 'get_items_by_item_id', arguments: { item_id: '7' } }
  const { result } = (await call(app, caller, '/mcp', { ...message, method: 'tools/call', params }))
    .json()
  assert.deepEqual(JSON.parse(result.content[0].text), { id: '7', owner: 'extracted-from-token' })
})
