import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
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
import { freePort, startBroker } from '../support/broker.ts'
import { headlessLogin, headlessOAuth } from '../support/login.ts'
import { startMcpRemote } from '../support/mcp-remote.ts'
import { sendRequest } from '../support/requests.ts'

function routes (app: FastifyInstance): void {
  app.get('/notes', { schema: { operationId: 'readNotes' } }, async () => 'notes')
  app.delete('/notes', {
    schema: { operationId: 'clearNotes' },
    config: { mcp: { scopes: ['notes:write'] } }
  }, async () => 'cleared')
}

async function namesOf (client: Client | Client2): Promise<string[]> {
  return (await client.listTools()).tools.map(({ name }) => name).sort()
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
    assert.deepEqual(await namesOf(client), ['clearNotes', 'readNotes'])

    const before = oauth.login
    await login(() => client.callTool(clear), transport)
    assert.notEqual(oauth.login, before, 'the user has logged in again')
    assert.deepEqual(oauth.token?.scope?.split(' ').sort(), ['mcp:read', 'notes:write'])
    assert.deepEqual((await client.callTool(clear)).content, [{ type: 'text', text: 'cleared' }])
    assert.deepEqual(await namesOf(client), ['clearNotes', 'readNotes'])
  })
}

for (const hasRefreshToken of [false, true]) {
  const name = hasRefreshToken
    ? 'leaves the SDK 1.x, which only refreshes if it can, without missing scopes'
    : 'makes the SDK 1.x request missing scopes if it has no refresh token'
  test(`POST /mcp ${name} [RS-13 RS-14 field:T17]`, async (t) => {
    const { mcpUrl } = await startBroker(t, { routes })
    const oauth = headlessOAuth()
    const save = oauth.saveTokens.bind(oauth)
    oauth.saveTokens = ({ refresh_token: refreshToken, ...tokens }) =>
      save({ ...tokens, ...(hasRefreshToken && refreshToken && { refresh_token: refreshToken }) })
    const client = new Client({ name: 'client', version: '1.0.0' })
    t.after(() => client.close())
    const open = () => new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: oauth })
    const first = open()
    await assert.rejects(client.connect(first as Transport), UnauthorizedError)
    await first.finishAuth(oauth.login?.code ?? '')
    assert.equal(oauth.token?.scope, 'mcp:read')
    const transport = open()
    await client.connect(transport as Transport)
    assert.deepEqual(await namesOf(client), ['clearNotes', 'readNotes'])

    if (hasRefreshToken) {
      await assert.rejects(client.callTool(clear), /403 after trying upscoping/)
      return
    }
    await assert.rejects(client.callTool(clear), UnauthorizedError)
    await transport.finishAuth(oauth.login?.code ?? '')
    assert.deepEqual((await client.callTool(clear)).content, [{ type: 'text', text: 'cleared' }])
  })
}

test('POST /mcp makes mcp-remote request missing scopes [RS-13 RS-14 field:T17]', async (t) => {
  const { mcpUrl } = await startBroker(t, { routes })
  const port = await freePort()
  const scopes: Array<string | null> = []
  const logIn = async (url: string) => {
    scopes.push(new URL(url).searchParams.get('scope'))
    const { url: callbackUrl } = await headlessLogin(url, { stopAt: `http://localhost:${port}/` })
    // It listens again a moment after it has printed the second URL.
    while ((await sendRequest(callbackUrl).catch(() => null))?.status !== 200) await sleep(50)
  }
  const { notify, request } = await startMcpRemote(t, mcpUrl, [String(port)], {}, logIn)
  const clientInfo = { name: 'test', version: '1.0.0' }
  await request(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo })
  notify('notifications/initialized')
  assert.match(await request(2, 'tools/list', {}), /clearNotes/)
  assert.match(await request(3, 'tools/call', clear), /cleared/)
  assert.deepEqual(scopes, ['mcp:read offline_access', 'mcp:read notes:write offline_access'])
})
