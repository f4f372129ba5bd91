import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { McpError } from '@modelcontextprotocol/sdk/types.js'
import Fastify from 'fastify'
import { z } from 'zod'
import { createRandom } from '../support/random.ts'
import { buildEndpoint, post, serve } from './route.ts'

// The first call of a client takes its way through the SDK 2.x. Later ones go to the server at
// once, and must get the same answer.

const prefix = 'io.modelcontextprotocol/'

/** A tool that returns, reports or throws what its call says. */
function buildServer (): McpServer {
  const server = new McpServer({ name: 'old', version: '1.2.3' }, { capabilities: { logging: {} } })
  const inputSchema = {
    result: z.any(),
    error: z.any().optional(),
    notifications: z.array(z.any()).optional()
  }
  server.registerTool(
    'do',
    { inputSchema },
    async ({ result, error, notifications = [] }, extra) => {
      for (const notification of notifications) await extra.sendNotification(notification)
      if (error?.code !== undefined) throw new McpError(error.code, error.message, error.data)
      if (error !== undefined) throw new Error(error.message)
      return result === 'meta'
        ? {
          content: [{
            type: 'text',
            text: JSON.stringify([extra._meta, extra.requestInfo?.headers])
          }]
        }
        : result
    }
  )
  server.registerTool(
    'typed',
    { inputSchema: { n: z.number() }, outputSchema: { n: z.number() } },
    async (
      { n }
    ) => ({ content: [], structuredContent: { n: n > 5 ? `${n}` : n } })
  )
  server.registerPrompt('hello', {}, () => ({ messages: [] }))
  return server
}

type Params = Record<string, any>
type Headers = Record<string, string | undefined>

async function start (t: TestContext) {
  const url = await serve(
    t,
    Fastify({ forceCloseConnections: true }),
    buildEndpoint({ server: buildServer() })
  )
  // Of one length, as tools see the length of the request.
  let clients = 1000
  const warm = '0000'
  async function sendAs (version: string, params: Params, headers: Headers, members: object) {
    const _meta = {
      [`${prefix}protocolVersion`]: '2026-07-28',
      [`${prefix}clientInfo`]: { name: 'client', version },
      [`${prefix}clientCapabilities`]: {},
      ...params['_meta']
    }
    const all = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': params['name'],
      ...headers
    }
    const sent = Object.entries(all).filter(([, value]) => value !== undefined)
    const response = await post(url, {
      jsonrpc: '2.0',
      id: 5,
      method: 'tools/call',
      params: { ...params, _meta },
      ...members
    }, Object.fromEntries(sent))
    const { date, ...others } = Object.fromEntries(response.headers)
    return { status: response.status, headers: others, text: await response.text() }
  }
  const known = await sendAs(
    'known',
    { name: 'do', arguments: { result: { content: [] } } },
    {},
    {}
  )
  assert.equal(known.status, 200)
  /** Sends a call of a client that is not known, again, and from one that is known. */
  return async (params: Params, headers: Headers = {}, members: object = {}) => {
    const version = String(clients++)
    const first = await sendAs(version, params, headers, members)
    for (const later of [version, warm]) {
      const reply = await sendAs(later, params, headers, members)
      assert.deepEqual(reply, first, JSON.stringify([params, headers, members]))
    }
  }
}

const text = (value: string) => ({ type: 'text', text: value })
const result = { content: [text('x')] }

/** Calls of the tool `do`. */
const calls: Array<Record<string, unknown>> = [
  { result },
  { result: 'meta' },
  { result: { content: [] } },
  { result: {} },
  { result: null },
  { result: [] },
  { result: 5 },
  { result: { content: 'x' } },
  { result: { ...result, isError: true } },
  { result: { ...result, isError: 'yes' } },
  { result: { ...result, structuredContent: { a: [1, null, { b: 'ü' }] } } },
  { result: { ...result, structuredContent: [1] } },
  { result: { ...result, structuredContent: 'x' } },
  { result: { ...result, _meta: { a: 1 } } },
  { result: { ...result, _meta: { [`${prefix}serverInfo`]: { name: 'own', version: '1' } } } },
  { result: { ...result, _meta: null } },
  { result: { ...result, _meta: 'x' } },
  { result: { ...result, resultType: 'complete' } },
  { result: { resultType: 'complete', ...result } },
  { result: { ...result, resultType: 'other' } },
  { result: { ...result, resultType: null } },
  { result: { ...result, ttlMs: 5, cacheScope: 'public', more: { deep: [1] } } },
  {
    result: {
      content: [{ ...text('x'), annotations: { priority: 1, audience: ['user'] }, own: 1 }]
    }
  },
  {
    result: { content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png', _meta: { a: 1 } }] }
  },
  { result: { content: [{ type: 'resource_link', uri: 'a://b', name: 'n', own: 1 }] } },
  { result: { content: [{ type: 'resource', resource: { uri: 'a://b', text: 'x', own: 1 } }] } },
  { result: { content: [{ type: 'unknown', a: 1 }] } },
  ...[-32700, -32603, -32602, -32601, -32600, -32002, -32042, -32022, -32021, -32020, -1, 1]
    .flatMap(code => [
      { error: { code, message: 'm' } },
      { error: { code, message: 'm', data: { a: 1 } } }
    ]),
  { error: { message: 'm' } },
  ...[
    ['notifications/progress', { progressToken: 5, progress: 1, total: 2, message: 'm' }],
    ['notifications/progress', { progressToken: 'other', progress: 1, _meta: { a: 1 }, own: 1 }],
    ['notifications/message', { level: 'info', data: 1 }],
    ['notifications/cancelled', { requestId: 5 }],
    ['notifications/tools/list_changed', {}],
    ['notifications/prompts/list_changed', undefined],
    ['notifications/resources/list_changed', {}],
    ['notifications/resources/updated', { uri: 'a://b' }],
    ['notifications/elicitation/complete', { elicitationId: 'x' }],
    ['notifications/own', { a: 1 }]
  ].map(([method, params]) => ({ result, notifications: [{ method, params }] }))
]

test('tools/call of a modern client gets the same answer the first time and later [HT-24]', async (t) => {
  const send = await start(t)
  await send({ name: 'do', arguments: { result } })
  for (const call of calls) await send({ name: 'do', arguments: call })
  for (const n of [1, 9, 'x', undefined]) await send({ name: 'typed', arguments: { n } })
  for (const name of ['unknown', 'Do', '', '__proto__']) await send({ name, arguments: {} })
})

test('tools/call of a modern client gets the same answer later, whatever its request has [HT-24]', async (t) => {
  const send = await start(t)
  const params = { name: 'do', arguments: { result: 'meta' } }
  const metas = [
    { progressToken: 5 },
    { progressToken: 'p' },
    { progressToken: 1.5 },
    { progressToken: null },
    { progressToken: {} },
    { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    { traceparent: 5 },
    { traceparent: 'no traceparent' },
    { tracestate: 'a=1', baggage: 'b=2' },
    { baggage: {} },
    { 'example.com/a': { b: 1 } },
    { [`${prefix}logLevel`]: 'debug' },
    { [`${prefix}logLevel`]: 'loud' },
    { [`${prefix}unknown`]: { a: 1 } },
    { [`${prefix}related-task`]: { taskId: 'x' } },
    { [`${prefix}clientInfo`]: undefined },
    { [`${prefix}clientInfo`]: { name: 5 } },
    { [`${prefix}clientCapabilities`]: undefined },
    { [`${prefix}clientCapabilities`]: { sampling: {}, roots: { listChanged: true } } },
    { [`${prefix}protocolVersion`]: '2027-01-01' },
    { [`${prefix}protocolVersion`]: '2025-11-25' }
  ]
  for (const _meta of metas) await send({ ...params, _meta })
  const headers = [
    { accept: 'application/json' },
    { accept: '*/*' },
    { accept: 'text/html' },
    { 'mcp-name': '' },
    { 'mcp-name': undefined },
    { 'mcp-method': undefined },
    { 'mcp-protocol-version': undefined },
    { 'mcp-name': '=?base64?ZG8=?=' },
    { 'mcp-name': 'other' },
    { 'mcp-method': 'tools/list' },
    { 'mcp-protocol-version': '2027-01-01' },
    { 'mcp-protocol-version': '2025-11-25' },
    { 'mcp-session-id': 'x' },
    { 'last-event-id': '1' },
    { 'x-own': '1' }
  ]
  for (const more of headers) await send(params, more)
  for (const id of ['5', '', 0, -1, 1.5, 2 ** 60]) await send(params, {}, { id })
  for (
    const members of [{ own: 1 }, { jsonrpc: '1.0' }, { result: {} }, { method: 'tools/unknown' }]
  ) {
    await send(params, {}, members)
  }
  for (
    const more of [{ task: {} }, { own: 1 }, { inputResponses: {} }, { requestState: 'x' }, {
      arguments: undefined
    }]
  ) {
    await send({ ...params, ...more })
  }
})

test('tools/call of a modern client gets the same answer later, for random results [HT-24]', async (t) => {
  const send = await start(t)
  const random = createRandom(7)
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T
  const value = (depth = 0): unknown =>
    pick([
      () => null,
      () => random(),
      () => pick(['', 'x', 'ü\u2028', '__proto__', '"\\']),
      () => random() < 0.5,
      () =>
        depth > 3 ? 0 : Array.from({ length: Math.floor(random() * 3) }, () => value(depth + 1)),
      () => depth > 3 ? {} : { [pick(['a', '_meta', 'type', '1', 'resultType'])]: value(depth + 1) }
    ])()
  for (let count = 0; count < 150; count++) {
    await send({
      name: 'do',
      arguments: {
        result: {
          content: [text('x'), { ...text('y'), _meta: { a: value() } }],
          structuredContent: { a: value() },
          ...(random() < 0.3 && { _meta: { a: value() } }),
          ...(random() < 0.3 && { [pick(['own', 'isError', 'resultType', 'content'])]: value() })
        },
        notifications: random() < 0.3
          ? [{
            method: 'notifications/progress',
            params: { progressToken: 1, progress: random(), message: 'x' }
          }]
          : []
      }
    })
  }
})
