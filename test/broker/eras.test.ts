import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2,
  UnauthorizedError as Unauthorized2
} from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpServer as McpServer2, createMcpHandler } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { startBroker } from '../support/broker.ts'
import { connectClient, headlessOAuth } from '../support/login.ts'

const call = { name: 'whoami', arguments: {} }

function sdk1 (): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool(
    'whoami',
    {},
    async ({ authInfo }) => ({
      content: [{
        type: 'text',
        text: String((authInfo as { subject?: string } | undefined)?.subject)
      }]
    })
  )
  return server
}

const handler = createMcpHandler(() => {
  const server = new McpServer2({ name: 'test', version: '1.0.0' })
  server.registerTool(
    'whoami',
    { inputSchema: z.object({}) },
    async (_args, { http }) => ({
      content: [{
        type: 'text',
        text: `${(http?.authInfo as { subject?: string } | undefined)?.subject}`
      }]
    })
  )
  return server
})

const servers: Record<string, () => NonNullable<McpOAuthOptions['mcp']>> = {
  'a handler of the SDK 2.x': () => ({ handler }),
  'a server of the SDK 1.x': () => ({ server: sdk1() }),
  'a server of the SDK 1.x for each request': () => ({ server: () => sdk1() }),
  'routes as tools': () => ({ tools: true })
}

for (const [name, mcp] of Object.entries(servers)) {
  test(`POST /mcp serves logged-in clients of every revision on one URL (${name}) [HT-24 RS-02]`, async (t) => {
    const { mcpUrl } = await startBroker(t, {
      options: { mcp: mcp() },
      routes: (app) => {
        app.get(
          '/whoami',
          { onRequest: app.requireMcpAuth(), schema: { operationId: 'whoami' } },
          async ({ mcpAuth }) => mcpAuth?.subject
        )
      }
    })
    const oauth = headlessOAuth({ user: 'alice' })
    const client = await connectClient(mcpUrl, { oauth })
    t.after(() => client.close())
    assert.deepEqual(
      (await client.callTool(call)).content,
      [{ type: 'text', text: 'alice' }],
      'the SDK 1.x'
    )

    for (const version of ['2025-03-26', '2025-06-18', '2025-11-25']) {
      const post = async (method: string, params: object, headers: Record<string, string> = {}) =>
        await fetch(mcpUrl, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            authorization: `Bearer ${oauth.token?.access_token}`,
            ...headers
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
        })
      const initialized = await (await post('initialize', {
        protocolVersion: version,
        capabilities: {},
        clientInfo: { name: 'client', version: '1.0.0' }
      })).text()
      assert.match(initialized, new RegExp(`"protocolVersion":"${version}"`))
      // The first revision has no header for its version.
      const response = await post(
        'tools/call',
        call,
        version === '2025-03-26' ? {} : { 'mcp-protocol-version': version }
      )
      assert.match(await response.text(), /alice/, version)
    }

    for (const mode of ['auto', { pin: '2026-07-28' }] as const) {
      const provider = headlessOAuth({ user: 'bob' })
      const modern = new Client2({ name: 'client', version: '1.0.0' }, {
        versionNegotiation: { mode }
      })
      t.after(() => modern.close())
      const first = new Transport2(new URL(mcpUrl), { authProvider: provider })
      await assert.rejects(modern.connect(first), Unauthorized2)
      await first.finishAuth(new URLSearchParams(provider.login?.url.searchParams))
      await modern.connect(new Transport2(new URL(mcpUrl), { authProvider: provider }))
      assert.deepEqual(
        (await modern.callTool(call)).content,
        [{ type: 'text', text: 'bob' }],
        'the SDK 2.x'
      )
    }
  })
}
