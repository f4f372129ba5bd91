import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2,
  UnauthorizedError as Unauthorized2
} from '@modelcontextprotocol/client'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { FastifyInstance } from 'fastify'
import { startBroker } from '../support/broker.ts'
import { headlessOAuth } from '../support/login.ts'

function routes (app: FastifyInstance): void {
  app.get('/notes', { schema: { operationId: 'readNotes' } }, async () => 'notes')
  app.delete('/notes', {
    schema: { operationId: 'clearNotes' },
    config: { mcp: { scopes: ['notes:write'] } }
  }, async () => 'cleared')
}

const clear = { name: 'clearNotes', arguments: {} }

for (const pin of [undefined, '2026-07-28']) {
  test(`POST /mcp makes the SDK 2.x request missing scopes (${pin ?? 'default revision'}) [RS-13 RS-14]`, async (t) => {
    const { mcpUrl } = await startBroker(t, { routes })
    const oauth = headlessOAuth()
    const client = new Client2(
      { name: 'client', version: '1.0.0' },
      pin === undefined ? {} : { versionNegotiation: { mode: { pin } } }
    )
    t.after(() => client.close())
    const login = async (act: () => Promise<unknown>, transport: Transport2): Promise<void> => {
      await assert.rejects(act, Unauthorized2)
      await transport.finishAuth(new URLSearchParams(oauth.login?.url.searchParams))
    }
    const first = new Transport2(new URL(mcpUrl), { authProvider: oauth })
    await login(() => client.connect(first), first)
    assert.equal(oauth.token?.scope, 'mcp:read')
    const transport = new Transport2(new URL(mcpUrl), { authProvider: oauth })
    await client.connect(transport)
    assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), ['readNotes'])

    const before = oauth.login
    await login(() => client.callTool(clear), transport)
    assert.notEqual(oauth.login, before, 'the user has logged in again')
    assert.deepEqual(oauth.token?.scope?.split(' ').sort(), ['mcp:read', 'notes:write'])
    assert.deepEqual((await client.callTool(clear)).content, [{ type: 'text', text: 'cleared' }])
    assert.equal((await client.listTools()).tools.length, 2)
  })
}

test('POST /mcp makes the SDK 1.x request missing scopes if it has no refresh token [RS-13 RS-14]', async (t) => {
  const { mcpUrl } = await startBroker(t, { routes })
  const oauth = headlessOAuth()
  const save = oauth.saveTokens.bind(oauth)
  oauth.saveTokens = ({ refresh_token: _unused, ...tokens }) => save(tokens)
  const client = new Client({ name: 'client', version: '1.0.0' })
  t.after(() => client.close())
  const open = () => new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: oauth })
  const first = open()
  await assert.rejects(client.connect(first as Transport), UnauthorizedError)
  await first.finishAuth(oauth.login?.code ?? '')
  const transport = open()
  await client.connect(transport as Transport)

  await assert.rejects(client.callTool(clear), UnauthorizedError)
  await transport.finishAuth(oauth.login?.code ?? '')
  assert.deepEqual((await client.callTool(clear)).content, [{ type: 'text', text: 'cleared' }])
})
