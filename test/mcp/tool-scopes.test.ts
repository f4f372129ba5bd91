import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { startGuarded, whoami } from '../support/guarded.ts'

/** An app whose callers choose their scopes by the header `x-scopes`. */
async function app (mcp: McpOAuthOptions['mcp']) {
  const app = Fastify()
  await app.register(mcpOAuth, {
    issuer: 'https://idp.example',
    dependencies: [(request) => ({ scopes: String(request.headers['x-scopes'] ?? '').split(' ') })],
    requiredScopes: ['mcp'],
    scopeHierarchy: { admin: ['notes:write', 'notes:read'] },
    ...(mcp && { mcp })
  })
  app.get('/notes', { schema: { operationId: 'list_notes' } }, async () => [])
  app.delete('/notes', {
    schema: { operationId: 'clear_notes' },
    config: { mcp: { scopes: ['notes:read', 'notes:write'] } }
  }, async () => ({ cleared: true }))
  return app
}

function message (method: string, params: object = {}, id = 1) {
  return { jsonrpc: '2.0', id, method, params }
}

const clear = message('tools/call', { name: 'clear_notes', arguments: {} })
const list = message('tools/call', { name: 'list_notes', arguments: {} }, 2)

async function post (server: Awaited<ReturnType<typeof app>>, scopes: string, body: object) {
  const headers = {
    'x-scopes': scopes,
    accept: 'application/json, text/event-stream',
    authorization: 'Bearer x'
  }
  return await server.inject({ method: 'POST', url: '/mcp', headers, payload: body })
}

test('POST /mcp refuses a call without the scopes of its tool, and names all [RS-12 RS-13 RS-14]', async () => {
  const server = await app({ tools: true })
  const rejected = await post(server, 'mcp notes:read', clear)
  assert.equal(rejected.statusCode, 403)
  assert.equal(
    rejected.headers['www-authenticate'],
    'Bearer error="insufficient_scope", ' +
      'error_description="The access token lacks a scope this request needs.", ' +
      'resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp", ' +
      'scope="mcp notes:read notes:write"'
  )
  assert.equal(
    (await post(server, 'mcp notes:read notes:write', clear)).json().result.isError,
    undefined
  )
  assert.equal((await post(server, 'mcp', list)).statusCode, 200)
})

test('POST /mcp accepts a broader scope for the ones a tool needs [RS-15]', async () => {
  const server = await app({ tools: true })
  assert.equal((await post(server, 'mcp admin', clear)).statusCode, 200)
})

test('POST /mcp checks the scopes of every tool in a batch [HT-05]', async () => {
  const server = await app({ tools: true })
  assert.equal((await post(server, 'mcp', [list, clear])).statusCode, 403)
  assert.equal((await post(server, 'mcp', [list, list])).statusCode, 200)
})

test('POST /mcp ignores a header with the name of another tool [HT-14]', async () => {
  const server = await app({ tools: true })
  const response = await server.inject({
    method: 'POST',
    url: '/mcp',
    headers: { 'x-scopes': 'mcp', 'mcp-method': 'tools/call', 'mcp-name': 'list_notes' },
    payload: clear
  })
  assert.equal(response.statusCode, 403)
})

test('tools/list has the tools that the caller may call [RS-22]', async () => {
  const server = await app({ tools: true })
  const names = async (scopes: string) =>
    (await post(server, scopes, message('tools/list'))).json().result.tools.map((
      { name }: { name: string }
    ) => name)
  assert.deepEqual(await names('mcp'), ['list_notes'])
  assert.deepEqual(await names('mcp admin'), ['clear_notes', 'list_notes'])
})

test('mcp.toolScopes overrides the scopes of routes, as a map and as a function', async () => {
  for (
    const toolScopes of [
      { clear_notes: [], list_notes: ['x'] },
      (tool: string) => tool === 'list_notes' ? ['x'] : []
    ]
  ) {
    const server = await app({ tools: true, toolScopes })
    assert.equal((await post(server, 'mcp', clear)).statusCode, 200)
    assert.equal((await post(server, 'mcp', list)).statusCode, 403)
  }
})

test('start-up rejects a mistyped tool name and a mistyped config.mcp member', async () => {
  const mistyped = await app({ tools: true, toolScopes: { clear_note: ['x'] } })
  await assert.rejects(async () => {
    await mistyped.ready()
  }, /mcp.toolScopes: no tool is named "clear_note"/)
  const server = Fastify()
  await server.register(mcpOAuth, { auth: false, mcp: { tools: true } })
  server.get('/notes', {
    schema: { operationId: 'list_notes' },
    config: { mcp: { scope: ['x'] } as object }
  }, async () => [])
  await assert.rejects(async () => {
    await server.ready()
  }, /config.mcp.scope: there is no such option/)
})

test('POST /mcp refuses a call if a hook of the app has removed the caller', async (t) => {
  const app = Fastify()
  app.addHook('preHandler', async (request) => {
    request.mcpAuth = null
  })
  const { call, issuer, mcpUrl } = await startGuarded(t, {
    mcp: { server: whoami(), toolScopes: { whoami: ['notes:read'] } }
  }, { app })
  assert.equal((await call(await issuer.mint({ aud: mcpUrl }))).status, 401)
})
