import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'

test('POST /mcp requires the tool scopes that a later onRoute hook of the app sets', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(mcpOAuth, {
    dependencies: [async () => ({ scopes: [] })],
    mcp: { tools: true }
  })
  app.addHook('onRoute', route => {
    if (route.url === '/notes') Object.assign(route, { config: { mcp: { scopes: ['admin'] } } })
  })
  let runs = 0
  app.get('/notes', { schema: { operationId: 'listNotes' } }, async () => {
    runs++
    return []
  })
  const { statusCode, headers } = await app.inject({
    method: 'POST',
    url: '/mcp',
    headers: {
      host: 'localhost',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    payload: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'listNotes' } }
  })
  assert.equal(statusCode, 403)
  assert.match(String(headers['www-authenticate']), /scope="admin"/)
  assert.equal(runs, 0)
})
