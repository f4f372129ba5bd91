import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolRequestSchema,
  CreateMessageResultSchema,
  ListToolsRequestSchema,
  McpError
} from '@modelcontextprotocol/sdk/types.js'
import Fastify from 'fastify'
import { z } from 'zod'
import type { SdkServer } from '../../lib/options/mcp.ts'
import { createRandom } from '../support/random.ts'
import { sweep } from '../support/sweep.ts'
import { buildEndpoint, post, serve, toolCall } from './route.ts'

// A call goes straight to its handler, unless something wraps the transport. Then it takes the way
// of the SDK, and must get the same response.

type Args = Record<string, any>

interface Seen {
  direct: boolean[]
  aborted: unknown[]
}

/** Does what its arguments say. */
async function act (
  { result, error, notifications = [], ask, wait }: Args,
  extra: any,
  seen: Seen
) {
  const accessor = Object.getOwnPropertyDescriptor(extra, 'signal')?.get
  seen.direct.push(accessor !== undefined)
  for (const notification of notifications) await extra.sendNotification(notification)
  if (ask) await extra.sendRequest(ask, CreateMessageResultSchema)
  if (wait) {
    await once(extra.signal, 'abort')
    const late = await extra.sendRequest({ method: 'x' }, CreateMessageResultSchema)
      .catch((error: unknown) => [error instanceof McpError, String(error)])
    await extra.sendNotification({ method: 'notifications/progress' })
    seen.aborted.push([extra.signal.aborted, String(extra.signal.reason), late])
  }
  if (error?.kind === 'mcp') throw new McpError(error.code, error.message, error.data)
  if (error?.kind === 'plain') throw error.value
  if (error !== undefined) throw Object.assign(new Error(error.message), error.members)
  if (result === 'big') return { content: [], structuredContent: { n: 1n } }
  if (result !== 'extra') return result
  const { signal, requestId, sendRequest, sendNotification, ...others } = { ...extra }
  const kinds = [signal, requestId, sendRequest, sendNotification].map(value => typeof value)
  const text = JSON.stringify([Object.keys(extra), kinds, signal.aborted, others])
  return { content: [{ type: 'text', text }] }
}

const anything = z.any().optional()
const args = {
  result: anything,
  error: anything,
  notifications: anything,
  ask: anything,
  wait: anything
}

const kinds = {
  McpServer (seen: Seen) {
    const server = new McpServer({ name: 'test', version: '1.0.0' }, {
      capabilities: { logging: {} }
    })
    server.registerTool(
      'do',
      { inputSchema: args },
      async (given, extra) => await act(given, extra, seen) as never
    )
    server.registerTool(
      'typed',
      { inputSchema: { n: z.number() }, outputSchema: { n: z.number() } },
      async ({ n }) => ({ content: [], structuredContent: { n: n > 5 ? `${n}` : n } })
    )
    server.registerTool('plain', {}, extra => act({ result: 'extra' }, extra, seen) as never)
    server.registerTool('disabled', {}, () => ({ content: [] })).disable()
    return server
  },
  Server (seen: Seen) {
    const server = new Server({ name: 'test', version: '1.0.0' }, {
      capabilities: { tools: {}, logging: {} }
    })
    const inputSchema = { type: 'object' as const }
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: ['do', 'typed', 'plain', 'disabled'].map(name => ({ name, inputSchema }))
    }))
    server.setRequestHandler(
      CallToolRequestSchema,
      async ({ params }, extra) => await act(params.arguments ?? {}, extra, seen) as never
    )
    return server
  }
}

/** Makes every message pass a wrapper, as instrumentation does. */
function wrap (server: SdkServer, onMessage: () => void): SdkServer {
  return {
    async connect (transport: Transport) {
      await server.connect(transport)
      const { onmessage } = transport
      transport.onmessage = (...given) => {
        onMessage()
        onmessage?.(...given)
      }
    },
    close: () => server.close()
  }
}

async function startBoth (t: TestContext, create: (seen: Seen) => SdkServer) {
  const direct: Seen = { direct: [], aborted: [] }
  const wrapped: Seen = { direct: [], aborted: [] }
  let messages = 0
  const servers = [create(direct), wrap(create(wrapped), () => messages++)]
  const urls = await Promise.all(
    servers.map(async (server) =>
      await serve(t, Fastify({ forceCloseConnections: true }), buildEndpoint({ server }))
    )
  )
  t.after(() => {
    assert.ok(direct.direct.some(Boolean))
    assert.ok(!wrapped.direct.some(Boolean) && messages > 0)
  })
  return { urls, seen: [direct, wrapped] as const }
}

async function responseOf (url: string, body: unknown, headers = {}) {
  const response = await post(url, body, { authorization: 'Bearer t', ...headers })
  const { date, ...others } = Object.fromEntries(response.headers)
  // The ports of the two servers differ.
  const text = (await response.text()).replaceAll(new URL(url).host, 'host')
  return { status: response.status, headers: { ...others, 'content-length': '' }, text }
}

const text = (value: string) => ({ type: 'text', text: value })
const done = { content: [text('x')] }

const progress = { progressToken: 5, progress: 1, total: 2, message: 'm' }

/** Arguments of the tool `do`. */
const calls: Args[] = [
  { result: done },
  { result: 'extra' },
  { result: 'big' },
  ...[{}, null, [], 5, 'x', { content: 'x' }, { content: [] }].map(result => ({ result })),
  ...[
    { isError: true },
    { isError: 'yes' },
    { structuredContent: { a: [1, null, { b: 'ü' }] } },
    { structuredContent: [1] },
    { _meta: { a: 1 }, more: { deep: [1] } },
    { _meta: null },
    { content: [{ ...text('x'), own: 1, annotations: { priority: 1 } }] },
    { content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }] },
    { content: [{ type: 'image', data: '?', mimeType: 5 }] },
    { content: [{ type: 'resource', resource: { uri: 'a://b', text: 'x', own: 1 } }] },
    { content: [{ type: 'unknown' }] }
  ].map(members => ({ result: { ...done, ...members } })),
  ...[-32700, -32602, -32042, -32000, 1, 1.5, 'x', null].flatMap(code => [
    { error: { kind: 'mcp', code, message: 'm' } },
    { error: { kind: 'mcp', code, message: 'm', data: { a: 1 } } },
    { error: { message: 'm', members: { code, data: [1] } } }
  ]),
  ...['text', 5, {}, { message: 5 }, { message: null, data: null }].map(value => ({
    error: { kind: 'plain', value }
  })),
  ...[
    ['notifications/progress', progress],
    ['notifications/message', { level: 'info', data: 1 }],
    ['notifications/tools/list_changed', undefined],
    ['notifications/resources/updated', { uri: 'a://b' }],
    ['notifications/own', { a: 1 }]
  ].map(([method, params]) => ({ result: done, notifications: [{ method, params }] })),
  { ask: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } } },
  { ask: { method: 'ping' } }
]

/** Parameters beside name and arguments. */
const metas = [
  { _meta: { progressToken: 'p' } },
  { _meta: { progressToken: 5, own: { a: 1 } } },
  { _meta: {} },
  { _meta: { progressToken: null } },
  { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'x' } } },
  { task: { ttl: 5 } },
  { task: 'x' },
  { more: 1 }
]

const headers = [
  {},
  { accept: 'application/json' },
  { 'mcp-session-id': 'x' },
  { 'mcp-protocol-version': '2025-11-25' },
  { 'mcp-protocol-version': '2020-01-01' }
]

for (const [kind, create] of Object.entries(kinds)) {
  test(`tools/call of ${kind} gets the response that the way through the SDK gives`, async (t) => {
    const { urls: [url = '', other = ''] } = await startBoth(t, create)
    const compare = async (body: unknown, headers = {}) =>
      assert.deepEqual(
        await responseOf(url, body, headers),
        await responseOf(other, body, headers),
        JSON.stringify(body)
      )
    for (const call of calls) await compare(toolCall(5, 'do', call))
    for (const more of metas) await compare(toolCall('a', 'do', { result: 'extra' }, more))
    for (const more of headers) await compare(toolCall(5, 'plain'), more)
    for (const name of ['unknown', 'Do', '', '__proto__', 'disabled']) {
      await compare(toolCall(5, name))
    }
    for (const n of [1, 9, 'x', undefined]) await compare(toolCall(5, 'typed', { n }))
    await compare({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'plain' } })
    await compare([
      toolCall(1, 'do', { result: done }),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      toolCall(1, 'do', {
        result: done,
        notifications: [{ method: 'notifications/progress', params: progress }]
      }),
      { jsonrpc: '2.0', id: 'p', method: 'ping' }
    ])

    const random = createRandom(13)
    const pick = <Item>(items: Item[]) => items[Math.floor(random() * items.length)] as Item
    for (let round = 0; round < sweep(400); round++) {
      const messages = Array.from(
        { length: Math.ceil(random() * 3) },
        (_, id) => toolCall(id, 'do', { ...pick(calls), ...pick(calls) }, pick([{}, ...metas]))
      )
      await compare(pick<unknown>([messages, messages[0], messages[0]]), pick(headers))
    }
  })

  test(`tools/call of ${kind} is cancelled as on the way through the SDK`, async (t) => {
    const { urls, seen } = await startBoth(t, create)
    const wait = { wait: true, result: done }
    for (const [index, url] of urls.entries()) {
      const { direct, aborted } = seen[index] as Seen
      const started = async (count: number) => {
        while (direct.length < count) await new Promise(setImmediate)
      }
      const ended = async (count: number) => {
        while (aborted.length < count) await new Promise(setImmediate)
      }
      const disconnect = new AbortController()
      const first = post(url, toolCall(1, 'do', wait), {}, disconnect.signal).catch(() => null)
      await started(1)
      disconnect.abort()
      assert.equal(await first, null)
      await ended(1)

      const cancel = (requestId: number) =>
        post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }, {
          authorization: 'Bearer t'
        })
      const second = responseOf(url, toolCall(2, 'do', wait))
      await started(2)
      await cancel(2)
      assert.equal((await second).status, 202)
      await ended(2)

      const batch = responseOf(url, [toolCall(3, 'do', wait), toolCall(4, 'do', { result: done })])
      await started(4)
      await cancel(3)
      assert.deepEqual(JSON.parse((await batch).text), [{ result: done, jsonrpc: '2.0', id: 4 }])
      await ended(3)
    }
    assert.deepEqual(seen[0].aborted, seen[1].aborted)
    const reasons = seen[0].aborted.map(entry => (entry as unknown[])[1])
    assert.deepEqual(reasons, ['cancelled', 'cancelled', 'cancelled'])
  })

  test(`tools/call of ${kind} is aborted by close() as on the way through the SDK`, async (t) => {
    const seen = await Promise.all([false, true].map(async (isWrapped) => {
      const seen: Seen = { direct: [], aborted: [] }
      const server = create(seen)
      const endpoint = buildEndpoint({ server: isWrapped ? wrap(server, () => {}) : server })
      const url = await serve(t, Fastify({ forceCloseConnections: true }), endpoint)
      const response = responseOf(url, toolCall(1, 'do', { wait: true, result: done }))
      while (seen.direct.length === 0) await new Promise(setImmediate)
      await endpoint.close()
      while (seen.aborted.length === 0) await new Promise(setImmediate)
      return [await response, seen.aborted]
    }))
    assert.deepEqual(seen[0], seen[1])
  })
}

test('tools/call takes the way through the SDK if the SDK calls handlers in another way', async (t) => {
  const seen: Seen = { direct: [], aborted: [] }
  const server = kinds.McpServer(seen)
  const sdk = server.server as unknown as {
    _onrequest: (...given: unknown[]) => void
    _requestHandlers: Map<string, (request: unknown, extra: object) => unknown>
  }
  const { _requestHandlers: handlers } = sdk
  const set = handlers.set.bind(handlers)
  handlers.set = (name, handler) =>
    set(name, (request, extra) => handler(request, { ...extra, later: 1 }))
  const url = await serve(t, Fastify(), buildEndpoint({ server }))
  const { status } = await responseOf(url, toolCall(1, 'do', { result: done }))
  assert.deepEqual([status, seen.direct], [200, [false]])
})

test('tools/call calls the handler that a server sets after it was connected', async (t) => {
  const seen: Seen = { direct: [], aborted: [] }
  const server = kinds.Server(seen)
  const url = await serve(t, Fastify(), buildEndpoint({ server }))
  server.setRequestHandler(CallToolRequestSchema, () => ({ content: [text('new') as never] }))
  assert.match((await responseOf(url, toolCall(1, 'do'))).text, /new/)
  server.removeRequestHandler('tools/call')
  assert.match((await responseOf(url, toolCall(1, 'do'))).text, /Method not found/)
})
