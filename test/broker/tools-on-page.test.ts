import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp } from '../support/app.ts'
import { loopbackUri, publicUrl, secret } from '../support/credentials.ts'

const tool = (operationId: string, summary: string, scopes?: string[]) => ({
  schema: { operationId, summary },
  ...scopes && { config: { mcp: { scopes } } }
})

function routes (app: FastifyInstance): void {
  app.get('/notes', tool('listNotes', 'Lists your notes'), async () => '')
  app.post('/notes', tool('addNote', 'Adds a note', ['notes:write']), async () => '')
  app.delete('/notes', tool('clear', 'Deletes all notes', ['notes:write']), async () => '')
}

/** The titles and hints on the consent page of a request for some scopes. */
async function toolsOn (t: TestContext, options: Partial<McpOAuthOptions>, scope?: string) {
  const { app } = await buildApp(t, {
    issuer: 'https://id.example',
    clientId: 'server',
    clientSecret: 'client-secret',
    secret,
    setupProxies: true,
    publicUrl,
    scopes: ['notes:read'],
    mcp: { tools: true },
    ...options
  }, { routes })
  const registered = await app.inject({
    method: 'POST',
    url: '/oauth/register',
    payload: { redirect_uris: [loopbackUri] }
  })
  const { body, statusCode } = await app.inject({
    url: '/oauth/authorize',
    query: {
      client_id: registered.json().client_id,
      response_type: 'code',
      code_challenge_method: 'S256',
      code_challenge: 'x'.repeat(43),
      ...scope && { scope }
    }
  })
  assert.equal(statusCode, 200)
  const found = body.matchAll(/<li><bdi>([^<]+)<\/bdi> <span class="soft">([^<]+)</g)
  return [...found].map(([, title, effect]) => `${title}: ${effect}`)
}

test('GET /oauth/authorize lists the tools that the requested scopes open', async (t) => {
  assert.deepEqual(await toolsOn(t, {}), ['Lists your notes: Only reads'])
  assert.deepEqual((await toolsOn(t, {}, 'notes:write')).sort(), [
    'Adds a note: Makes changes',
    'Deletes all notes: Can delete or overwrite',
    'Lists your notes: Only reads'
  ])
})

test('GET /oauth/authorize lists no tools that the operator hides or decides on', async (t) => {
  assert.deepEqual(await toolsOn(t, { consent: { tools: false } }), [])
  const mcp = { tools: true, authorizeTool: () => true } as const
  assert.deepEqual(await toolsOn(t, { mcp }), [])
  assert.deepEqual((await toolsOn(t, { mcp, consent: { tools: true } })).length, 1)
})

test('GET /oauth/authorize lists the tools of a server for all callers, and of no other', async (t) => {
  const create = () => {
    const server = new McpServer({ name: 'notes', version: '1.0.0' })
    server.registerTool('find', { annotations: { title: 'Find', readOnlyHint: true } }, () => ({
      content: []
    }))
    server.registerTool('plain', {}, () => ({ content: [] }))
    return server
  }
  assert.deepEqual(await toolsOn(t, { mcp: { server: create() } }), [
    'Find: Only reads',
    'plain: Makes changes'
  ])
  assert.deepEqual(await toolsOn(t, { mcp: { server: create } }), [])
})
