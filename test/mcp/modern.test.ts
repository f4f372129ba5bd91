import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify from 'fastify'
import { z } from 'zod'
import { buildEndpoint, post, serve } from './route.ts'

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {}
}

/** A server of the SDK 1.x with at least one tool, prompt and resource. */
function buildServer (aborted: string[] = []): McpServer {
  const server = new McpServer({ name: 'old', version: '1.2.3' }, {
    capabilities: { logging: {} },
    instructions: 'Be kind.'
  })
  server.registerTool('greet', {
    inputSchema: { name: z.string() },
    outputSchema: { text: z.string() }
  }, async ({ name }, { authInfo, requestInfo }) => {
    const structuredContent = {
      text: `Hello ${name}, ${authInfo?.token} ${requestInfo?.headers.authorization}`
    }
    return { content: [{ type: 'text', text: structuredContent.text }], structuredContent }
  })
  server.registerTool('fail', {}, async () => {
    throw new Error('sorry')
  })
  server.registerTool('report', {}, async ({ sendNotification, _meta }) => {
    for (const progress of [1, 2]) {
      await sendNotification({
        method: 'notifications/progress',
        params: { progressToken: _meta?.progressToken ?? 'none', progress }
      })
    }
    return { content: [] }
  })
  server.registerTool('wait', {}, async ({ signal }) => {
    await once(signal, 'abort')
    aborted.push('wait')
    return { content: [] }
  })
  server.registerTool('log', {}, async ({ sendNotification }) => {
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 1 } })
    return { content: [] }
  })
  server.registerTool('ask', {}, async () => {
    await server.server.createMessage({ messages: [], maxTokens: 1 })
    return { content: [] }
  })
  server.registerResource(
    'note',
    'note://one',
    {},
    async ({ href }) => ({ contents: [{ uri: href, text: 'one' }] })
  )
  server.registerResource(
    'user',
    new ResourceTemplate('user://{id}', {
      list: undefined,
      complete: { id: async (value) => [`${value}1`] }
    }),
    {},
    async ({ href }) => ({ contents: [{ uri: href, text: 'user' }] })
  )
  server.registerPrompt(
    'ask-kindly',
    { argsSchema: { drink: z.string() } },
    ({ drink }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: `${drink}, please` } }]
    })
  )
  return server
}

const kinds = {
  'one server': (aborted?: string[]) => buildServer(aborted),
  'a server per request': (aborted?: string[]) => () => buildServer(aborted)
}

async function start (t: TestContext, server: McpServer | (() => McpServer)): Promise<string> {
  return await serve(t, Fastify({ forceCloseConnections: true }), buildEndpoint({ server }))
}

async function connect (t: TestContext, url: string): Promise<Client> {
  const client = new Client({ name: 'client', version: '1.0.0' }, {
    versionNegotiation: { mode: { pin: '2026-07-28' } }
  })
  t.after(() => client.close())
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers: { authorization: 'Bearer ann' } }
    })
  )
  return client
}

async function modern (
  url: string,
  method: string,
  params: object = {},
  headers: Record<string, string> = {}
): Promise<{ status: number, body: any }> {
  const response = await post(url, {
    jsonrpc: '2.0',
    id: 5,
    method,
    params: { ...params, _meta: meta }
  }, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...headers })
  return { status: response.status, body: await response.json() }
}

for (const [kind, create] of Object.entries(kinds)) {
  test(`POST /mcp of ${kind} (SDK 1.x) serves clients of 2026-07-28 [HT-24 HT-18]`, async (t) => {
    const url = await start(t, create())
    const client = await connect(t, url)
    assert.deepEqual([
      client.getServerVersion()?.name,
      client.getServerVersion()?.version,
      client.getInstructions()
    ], ['old', '1.2.3', 'Be kind.'])
    assert.deepEqual(Object.keys(client.getServerCapabilities() ?? {}).sort(), [
      'completions',
      'prompts',
      'resources',
      'tools'
    ])
    assert.ok((await client.listTools()).tools.length > 3)
    assert.deepEqual(
      (await client.callTool({ name: 'greet', arguments: { name: 'you' } })).structuredContent,
      { text: 'Hello you, ann Bearer ann' }
    )
    assert.equal((await client.callTool({ name: 'fail', arguments: {} })).isError, true)
    assert.deepEqual((await client.readResource({ uri: 'note://one' })).contents[0], {
      uri: 'note://one',
      text: 'one'
    })
    assert.deepEqual((await client.listResources()).resources.map(({ name }) => name), ['note'])
    assert.deepEqual(
      (await client.listResourceTemplates()).resourceTemplates.map(({ name }) => name),
      ['user']
    )
    assert.deepEqual(
      (await client.complete({
        ref: { type: 'ref/resource', uri: 'user://{id}' },
        argument: { name: 'id', value: 'a' }
      })).completion.values,
      ['a1']
    )
    assert.match(
      JSON.stringify(await client.getPrompt({ name: 'ask-kindly', arguments: { drink: 'Tea' } })),
      /Tea, please/
    )
    assert.deepEqual((await client.listPrompts()).prompts.map(({ name }) => name), ['ask-kindly'])
  })

  test(`POST /mcp of ${kind}: notifications of a tool reach the client [HT-21]`, async (t) => {
    const client = await connect(t, await start(t, create()))
    const progress: number[] = []
    await client.callTool({ name: 'report', arguments: {} }, {
      onprogress: (step) => progress.push(step.progress)
    })
    assert.deepEqual(progress, [1, 2])
  })

  test(`POST /mcp of ${kind}: a notification that the modern era refuses is dropped [HT-21]`, async (t) => {
    const client = await connect(t, await start(t, create()))
    const { isError } = await client.callTool({ name: 'log', arguments: {} })
    assert.equal(isError, undefined)
  })

  test(`POST /mcp of ${kind}: a disconnect aborts the tool [HT-20]`, async (t) => {
    const aborted: string[] = []
    const url = await start(t, create(aborted))
    const disconnect = new AbortController()
    const waiting = post(
      url,
      {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'wait', arguments: {}, _meta: meta }
      },
      { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'wait' },
      disconnect.signal
    )
    setTimeout(() => disconnect.abort(), 300)
    await assert.rejects(waiting)
    while (aborted.length === 0) await sleep(5)
  })

  test(`POST /mcp of ${kind} follows the rules of the modern era [HT-15 HT-16 HT-22 RS-23 SE-05]`, async (t) => {
    const url = await start(t, create())
    for (
      const method of ['ping', 'initialize', 'logging/setLevel', 'resources/subscribe', 'nothing']
    ) {
      const { status, body } = await modern(url, method)
      assert.deepEqual([status, body.error.code, body.id], [404, -32601, 5], method)
    }
    const missing = await modern(url, 'resources/read', { uri: 'note://none' }, {
      'mcp-name': 'note://none'
    })
    assert.equal(missing.body.error.code, -32602)
    const { status, body } = await modern(url, 'tools/list', {}, { 'mcp-session-id': 'x' })
    assert.deepEqual([
      status,
      body.result.resultType,
      Number.isInteger(body.result.ttlMs),
      body.result.cacheScope
    ], [200, 'complete', true, 'private'])
    assert.equal(
      (await modern(url, 'tools/list', {}, { 'mcp-method': 'tools/call' })).body.error.code,
      -32020
    )
    const unclaimed = await post(url, { jsonrpc: '2.0', id: 5, method: 'tools/list' }, {
      'mcp-protocol-version': '2026-07-28'
    })
    assert.deepEqual([unclaimed.status, (await unclaimed.json() as any).error.code], [400, -32602])
    assert.equal(
      (await modern(url, 'tools/call', { name: 'ask', arguments: {} }, { 'mcp-name': 'ask' })).body
        .result.isError,
      true,
      'no client can receive a request'
    )
  })
}

test('POST /mcp responds 500 without a reason if a server per request cannot be made [F-28]', async (t) => {
  for (
    const fails of [(count: number) => count === 1, (count: number) => count === 2, () => true]
  ) {
    let count = 0
    const url = await start(t, () => {
      if (fails(++count)) throw new Error('connect ECONNREFUSED canary')
      return buildServer()
    })
    const response = await post(url, {
      jsonrpc: '2.0',
      id: 5,
      method: 'tools/call',
      params: { name: 'greet', arguments: { name: 'you' }, _meta: meta }
    }, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'greet' })
    assert.equal(response.status, 500)
  }
})
