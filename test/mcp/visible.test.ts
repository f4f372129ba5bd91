import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { startBroker } from '../support/broker.ts'
import { claimsOf, loopbackUri, renew, startFlow, type Flow } from '../support/flow.ts'
import { startGuarded } from '../support/guarded.ts'
import { connectClient } from '../support/login.ts'
import { basic, newSecret } from '../support/machines.ts'
import { form, sendRequest, type Received } from '../support/requests.ts'
import { messageIn, rpc, type Revision } from '../support/revisions.ts'

const scopesOfTools = { read: [], write: ['mcp:write'], manage: ['mcp:write', 'mcp:admin'] }

/** A server with tools for everybody, for writers and for administrators. */
function server (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  for (const [name, scopes] of Object.entries(scopesOfTools)) {
    const _meta = { 'fastify-mcp-oauth/scopes': scopes }
    server.registerTool(name, { _meta }, async () => ({ content: [] }))
  }
  return server
}

function routes (app: FastifyInstance): void {
  for (const [name, scopes] of Object.entries(scopesOfTools)) {
    const config = { mcp: { scopes } }
    app.get(`/${name}`, { config, schema: { operationId: name } }, async () => 'done')
  }
}

async function namesIn (response: Received): Promise<string[]> {
  assert.equal(response.status, 200)
  const { result } = await messageIn(response)
  return result.tools.map(({ name }: { name: string }) => name)
}

const sendTo = async (
  { origin }: Flow,
  method: string,
  { token, params = {}, revision = '2025-11-25' }: {
    token?: string
    params?: object
    revision?: Revision
  }
) =>
  await sendRequest(
    `${origin}/mcp`,
    rpc(revision, method, params, { authorization: token && `Bearer ${token}` })
  )

const list = async (flow: Flow, token: string, revision?: Revision) =>
  await sendTo(flow, 'tools/list', { token, ...(revision && { revision }) })

const all = ['read', 'write', 'manage']

async function start (t: TestContext, options: Partial<McpOAuthOptions> = {}): Promise<Flow> {
  return await startFlow(t, { options: { mcp: { server: server() }, ...options } })
}

test('tools/list shows users of the broker what their client may request [field:T17]', async (t) => {
  const flow = await start(t)
  const clientId = await flow.register()
  const { access_token: token, scope } = await flow.tokens(clientId)
  assert.equal(scope, 'mcp:read')
  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    const response = await list(flow, token, revision)
    assert.deepEqual(await namesIn(response), all)
    const { result } = await messageIn(response)
    assert.equal(result.cacheScope, revision === '2026-07-28' ? 'private' : undefined)
  }
  const params = { name: 'manage', arguments: {} }
  const call = await sendTo(flow, 'tools/call', { token, params })
  assert.equal(call.status, 403)
  assert.match(call.headers.get('www-authenticate') ?? '', /scope="mcp:read mcp:write mcp:admin"/)
})

test('the challenge and the resource metadata name required scopes only, our metadata all [field:T17]', async (t) => {
  const flow = await start(t)
  const challenged = await sendTo(flow, 'tools/list', {})
  assert.equal(challenged.status, 401)
  assert.match(challenged.headers.get('www-authenticate') ?? '', /scope="mcp:read"/)
  const document = async (name: string) =>
    (await flow.send(`/.well-known/${name}`)).json()['scopes_supported']
  assert.deepEqual(await document('oauth-protected-resource/mcp'), ['mcp:read'])
  const supported = await document('oauth-authorization-server')
  assert.ok(['mcp:read', 'mcp:write', 'mcp:admin'].every(scope => supported.includes(scope)))
})

test('tools/list hides what authorizeUser withheld at login or at a refresh [field:T17]', async (t) => {
  let granted = ['mcp:read', 'mcp:admin']
  // With `identify`, the hook runs at each refresh.
  const provider = { identify: async () => ({ sub: 'alice' }) }
  const flow = await start(t, { provider, authorizeUser: () => ({ scopes: granted }) })
  const clientId = await flow.register()
  const params = { scope: 'mcp:read mcp:write mcp:admin' }
  let tokens = await flow.tokens(clientId, { params })
  assert.equal(claimsOf(tokens['access_token'])['withheld'], 'mcp:write')
  assert.deepEqual(await namesIn(await list(flow, tokens['access_token'])), ['read'])

  granted = ['mcp:read', 'mcp:write']
  tokens = (await flow.token(renew(clientId, tokens['refresh_token']))).json()
  assert.equal(claimsOf(tokens['access_token'])['withheld'], 'mcp:write mcp:admin')
  assert.deepEqual(await namesIn(await list(flow, tokens['access_token'])), ['read'])

  // A scope that was not asked for has not been withheld.
  tokens = await flow.tokens(clientId, { params: { scope: 'mcp:read mcp:admin' } })
  assert.equal(claimsOf(tokens['access_token'])['withheld'], 'mcp:admin')
  assert.deepEqual(await namesIn(await list(flow, tokens['access_token'])), ['read', 'write'])
  granted = ['mcp:read']
  tokens = await flow.tokens(clientId)
  assert.equal('withheld' in claimsOf(tokens['access_token']), false)
  assert.deepEqual(await namesIn(await list(flow, tokens['access_token'])), all)
})

test('authorizeUser cannot set the claim of the withheld scopes [field:T17]', async (t) => {
  const flow = await start(t, { authorizeUser: () => ({ claims: { withheld: 'mcp:write' } }) })
  const { access_token: token } = await flow.tokens(await flow.register())
  assert.deepEqual(await namesIn(await list(flow, token)), all)
})

test('tools/list shows what an access token that was narrowed at a refresh can have again [field:T17]', async (t) => {
  const flow = await start(t)
  const clientId = await flow.register()
  const params = { scope: 'mcp:read mcp:write' }
  const { refresh_token: refresh } = await flow.tokens(clientId, { params })
  const { access_token: token, scope } =
    (await flow.token(renew(clientId, refresh, { scope: 'mcp:read' }))).json()
  assert.equal(scope, 'mcp:read')
  assert.deepEqual(await namesIn(await list(flow, token)), all)
})

test('tools/list hides what a listed client may not request, or a dependency takes away [field:T17]', async (t) => {
  const scopes = ['mcp:read', 'mcp:write']
  const clients = [{ clientId: 'limited', redirectUris: [loopbackUri], scopes }]
  let taken = ''
  const flow = await start(t, {
    clients,
    scopeHierarchy: { 'mcp:all': ['mcp:write', 'mcp:admin'] },
    scopes: ['mcp:write', 'mcp:all'],
    dependencies: [({ mcpAuth }) => ({ scopes: mcpAuth?.scopes.filter(scope => scope !== taken) })]
  })
  const { access_token: token } = await flow.tokens('limited')
  assert.deepEqual(await namesIn(await list(flow, token)), ['read', 'write'])

  const params = { scope: 'mcp:read mcp:all' }
  const { access_token: broad } = await flow.tokens(await flow.register(), { params })
  assert.deepEqual(await namesIn(await list(flow, broad)), all)
  taken = 'mcp:all'
  assert.deepEqual(await namesIn(await list(flow, broad)), ['read'])
})

test('tools/list shows machines what they may call, or request by option [field:T17]', async (t) => {
  for (const visible of [undefined, 'reachable', 'allowed'] as const) {
    const { secret, hash } = newSecret()
    const { mcpUrl, issuer } = await startBroker(t, {
      routes,
      options: {
        mcp: { tools: { ...(visible && { visible }) } },
        // A machine is one by its claim gty, whatever a dependency calls it.
        dependencies: [() => ({ subject: 'reports' })],
        clients: [{
          clientId: 'job',
          secretHashes: [hash],
          grantTypes: ['client_credentials'],
          scopes: ['mcp:read', 'mcp:write']
        }]
      }
    })
    const request = { grant_type: 'client_credentials', scope: 'mcp:read' }
    const response = await sendRequest(`${issuer}/oauth/token`, form(request, basic('job', secret)))
    const { access_token: token } = await response.json() as { access_token: string }
    const authorization = `Bearer ${token}`
    const names = await namesIn(
      await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/list', {}, { authorization }))
    )
    assert.deepEqual(names.sort(), visible === 'reachable' ? ['read', 'write'] : ['read'])
  }
})

test('tools/list shows callers of other servers what they may call, or all by option [field:T17]', async (t) => {
  for (const visible of [undefined, 'reachable', 'allowed'] as const) {
    const mcp = { tools: { ...(visible && { visible }) } }
    const { mcpUrl, token } = await startGuarded(t, { requiredScopes: ['mcp:read'], mcp }, {
      routes
    })
    const authorization = `Bearer ${await token({ scope: 'mcp:read mcp:write' })}`
    const names = await namesIn(
      await sendRequest(mcpUrl, rpc('2025-11-25', 'tools/list', {}, { authorization }))
    )
    assert.deepEqual(names.sort(), visible === 'reachable' ? [...all].sort() : ['read', 'write'])
  }
})

test('tools/list shows users of the broker only what they may call by option [field:T17]', async (t) => {
  const options = { mcp: { tools: { visible: 'allowed' as const } } }
  const { mcpUrl } = await startBroker(t, { routes, options })
  const client = await connectClient(mcpUrl)
  t.after(() => client.close())
  assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['read'])
})
