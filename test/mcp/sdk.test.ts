import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify from 'fastify'
import { z } from 'zod'
import { createPerRequestEndpoint, createSharedEndpoint } from '../../lib/mcp/endpoint.ts'
import type { SdkServer } from '../../lib/options/mcp.ts'
import { buildEndpoint, post, serve, toolCall } from './route.ts'
import { sweep } from '../support/sweep.ts'

interface Observed {
  started: string[]
  aborted: string[]
}

/** A server whose tools return the data they received about their caller. */
function buildServer (observed: Observed = { started: [], aborted: [] }): McpServer {
  const server = new McpServer({ name: 'test', version: '1.0.0' }, {
    capabilities: { logging: {} }
  })
  server.registerTool(
    'whoami',
    { inputSchema: { delay: z.number().optional(), note: z.string() } },
    async ({ delay = 0, note }, { authInfo, requestInfo }) => {
      await sleep(delay)
      const caller = {
        token: authInfo?.token,
        authorization: requestInfo?.headers.authorization,
        session: requestInfo?.headers['mcp-session-id']
      }
      return { content: [{ type: 'text', text: JSON.stringify({ note, ...caller }) }] }
    }
  )
  server.registerTool(
    'wait',
    { inputSchema: { name: z.string() } },
    async ({ name }, { signal }) => {
      observed.started.push(name)
      await once(signal, 'abort')
      observed.aborted.push(name)
      return { content: [] }
    }
  )
  server.registerTool(
    'report',
    { inputSchema: { steps: z.number() } },
    async ({ steps }, { sendNotification, _meta }) => {
      for (let progress = 1; progress <= steps; progress++) {
        await sendNotification({
          method: 'notifications/progress',
          params: { progressToken: _meta?.progressToken ?? 0, progress, total: steps }
        })
      }
      await sendNotification({
        method: 'notifications/message',
        params: { level: 'info', data: 'almost' }
      })
      return { content: [{ type: 'text', text: 'done' }] }
    }
  )
  server.registerTool('tick', {}, async ({ signal, sendNotification }) => {
    await sendNotification({
      method: 'notifications/progress',
      params: { progressToken: 1, progress: 1 }
    })
    await once(signal, 'abort')
    observed.aborted.push('tick')
    return { content: [] }
  })
  server.registerTool('ask', {}, async () => {
    await server.server.createMessage({ messages: [], maxTokens: 1 })
    return { content: [] }
  })
  return server
}

async function start (
  t: TestContext,
  server: SdkServer | Parameters<typeof createPerRequestEndpoint>[0]
): Promise<string> {
  // Node's fetch opens a spare connection after a broken one, and close() would wait for it.
  return serve(t, Fastify({ forceCloseConnections: true }), buildEndpoint({ server }))
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

async function textOf (response: Response): Promise<string> {
  return (await response.json() as { result: { content: Array<{ text: string }> } }).result
    .content[0]?.text ?? ''
}

const kinds = {
  'one server': (observed?: Observed) => buildServer(observed),
  'a server per request': (observed?: Observed) => () => buildServer(observed)
}

for (const [kind, create] of Object.entries(kinds)) {
  test(`POST /mcp of ${kind} serves the client of the SDK 1.x`, async (t) => {
    const url = await start(t, create())
    const client = new Client({ name: 'client', version: '1.0.0' })
    await client.connect(new StreamableHTTPClientTransport(new URL(url)))
    t.after(() => client.close())
    assert.deepEqual((await client.listTools()).tools.map(({ name }) => name), [
      'whoami',
      'wait',
      'report',
      'tick',
      'ask'
    ])
    const progress: number[] = []
    await client.callTool({ name: 'report', arguments: { steps: 3 } }, undefined, {
      onprogress: (step) => progress.push(step.progress)
    })
    assert.deepEqual(progress, [1, 2, 3])
  })

  test(`POST /mcp of ${kind}: the client of the SDK 2.x falls back to the legacy era [HT-24]`, async (t) => {
    const server = create()
    const legacy = typeof server === 'function'
      ? createPerRequestEndpoint(server)
      : createSharedEndpoint(server)
    const url = await serve(t, Fastify({ forceCloseConnections: true }), legacy)
    const client = new Client2({ name: 'client', version: '1.0.0' }, {
      versionNegotiation: { mode: 'auto' }
    })
    await client.connect(new Transport2(new URL(url)))
    t.after(() => client.close())
    const { content } = await client.callTool({ name: 'whoami', arguments: { note: 'hello' } })
    assert.match(JSON.stringify(content), /hello/)
  })

  test(`POST /mcp of ${kind} never mixes parallel requests of users with the same ids [Q-24]`, async (t) => {
    const url = await start(t, create())
    const users = Array.from({ length: sweep(50) }, (_, index) => `user-${index}`)
    await Promise.all(users.map(async (user) => {
      for (let round = 0; round < 4; round++) {
        await Promise.all([0, 1, 2, 3, 4].map(async (id) => {
          const note = `${user}/${round}/${id}`
          const response = await post(
            url,
            toolCall(id, 'whoami', { note, delay: Math.random() * 10 }),
            { authorization: `Bearer ${user}` }
          )
          const { id: responseId, result } = await response.json() as {
            id: number
            result: { content: Array<{ text: string }> }
          }
          assert.equal(responseId, id)
          assert.deepEqual(JSON.parse(result.content[0]?.text ?? ''), {
            note,
            token: user,
            authorization: `Bearer ${user}`
          })
        }))
      }
    }))
  })

  test(`POST /mcp of ${kind}: a disconnect aborts the client's own tool only [HT-20]`, async (t) => {
    const observed: Observed = { started: [], aborted: [] }
    const url = await start(t, create(observed))
    const [a, b] = [new AbortController(), new AbortController()]
    const waiting = [a, b].map(({ signal }, index) =>
      post(url, toolCall(1, 'wait', { name: 'ab'[index] }), {}, signal).catch(() => 'disconnected')
    )
    await until(() => observed.started.length === 2)
    a.abort()
    await until(() => observed.aborted.length === 1)
    assert.deepEqual(observed.aborted, ['a'])
    b.abort()
    await until(() => observed.aborted.length === 2)
    assert.deepEqual(await Promise.all(waiting), ['disconnected', 'disconnected'])
  })

  test(`POST /mcp of ${kind}: a disconnect during an event stream aborts the tool [HT-20]`, async (t) => {
    const observed: Observed = { started: [], aborted: [] }
    const url = await start(t, create(observed))
    const disconnect = new AbortController()
    const response = await post(url, toolCall(1, 'tick'), {}, disconnect.signal)
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    disconnect.abort()
    await until(() => observed.aborted.length === 1)
  })

  test(`POST /mcp of ${kind}: a cancellation ends the caller's own request only`, async (t) => {
    const observed: Observed = { started: [], aborted: [] }
    const url = await start(t, create(observed))
    const cancel = (token: string | undefined, requestId: number) =>
      post(
        url,
        { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } },
        token === undefined ? {} : { authorization: `Bearer ${token}` }
      )
    const calls = [['ann', 1], ['bob', 1], ['eve', 2], ['eve', 2], [undefined, 3]] as const
    const end = new AbortController()
    const waiting = calls.map(([token, id]) =>
      post(
        url,
        toolCall(id, 'wait', { name: `${token}` }),
        token === undefined ? {} : { authorization: `Bearer ${token}` },
        end.signal
      ).catch(() => undefined)
    )
    await until(() => observed.started.length === 5)

    assert.equal((await cancel('mallory', 1)).status, 202)
    await cancel('eve', 2)
    await cancel(undefined, 3)
    await cancel('ann', 99)
    assert.deepEqual(observed.aborted, [])
    await cancel('bob', 1)
    const reply = await waiting[1]
    assert.deepEqual([reply?.status, await reply?.text()], [202, ''])
    assert.deepEqual(observed.aborted, ['bob'])
    end.abort()
    await Promise.all(waiting)
    await until(() => observed.aborted.length === 5)
  })

  test(`POST /mcp of ${kind}: notifications turn the response into an event stream [HT-21]`, async (t) => {
    const url = await start(t, create())
    const response = await post(
      url,
      toolCall('x', 'report', { steps: 2 }, { _meta: { progressToken: 'p' } })
    )
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    assert.equal(response.headers.get('x-accel-buffering'), 'no')
    const events = (await response.text()).trim().split('\n\n').map((event) =>
      JSON.parse(event.replace(/^event: message\ndata: /, ''))
    )
    assert.deepEqual(events.map(({ id, method, params }) => id ?? `${method} ${params.progress}`), [
      'notifications/progress 1',
      'notifications/progress 2',
      'notifications/message undefined',
      'x'
    ])
  })

  test(`POST /mcp of ${kind} sends no notifications to a client that accepts only JSON`, async (t) => {
    const url = await start(t, create())
    const response = await post(url, toolCall(1, 'report', { steps: 2 }), {
      accept: 'application/json'
    })
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
    assert.equal(await textOf(response), 'done')
  })

  test(`POST /mcp of ${kind}: a request of the server to its client fails at once`, async (t) => {
    const url = await start(t, create())
    const text = await textOf(await post(url, toolCall(1, 'ask')))
    assert.match(text, /cannot send requests to its clients/)
  })

  test(`POST /mcp of ${kind} accepts batches, notifications and responses [HT-05 HT-07]`, async (t) => {
    const url = await start(t, create())
    const batch = [toolCall(1, 'whoami', { note: 'a', delay: 20 }), {
      jsonrpc: '2.0',
      method: 'notifications/initialized'
    }, { jsonrpc: '2.0', id: 'two', method: 'ping' }]
    const responses = await (await post(url, batch)).json() as Array<{ id: unknown }>
    assert.deepEqual(responses.map(({ id }) => id), ['two', 1])
    for (
      const body of [{ jsonrpc: '2.0', method: 'notifications/initialized' }, {
        jsonrpc: '2.0',
        id: 7,
        result: {}
      }]
    ) {
      const response = await post(url, body)
      assert.deepEqual([response.status, await response.text()], [202, ''])
    }
    assert.equal((await post(url, { jsonrpc: '2.0', id: 1 })).status, 400)
    assert.equal((await post(url, batch, { 'mcp-protocol-version': '2025-11-25' })).status, 400)
  })

  test(`/mcp of ${kind} has no sessions [SE-01 SE-05 HT-06]`, async (t) => {
    const url = await start(t, create())
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' }
    }
    const initialized = await post(url, { jsonrpc: '2.0', id: 1, method: 'initialize', params })
    assert.equal(initialized.headers.get('mcp-session-id'), null)
    const response = await post(url, toolCall(1, 'whoami', { note: 'x' }), {
      'mcp-session-id': 'someone'
    })
    assert.equal(response.headers.get('mcp-session-id'), null)
    assert.deepEqual(JSON.parse(await textOf(response)), { note: 'x' })
    for (const method of ['GET', 'DELETE']) {
      const rejected = await fetch(url, { method })
      assert.deepEqual([rejected.status, rejected.headers.get('allow')], [405, 'POST'])
    }
  })
}

test('POST /mcp gives a tool headers of its own, which it may write to', async (t) => {
  const server = new McpServer({ name: 'test', version: '1.0.0' })
  server.registerTool('write', {}, async ({ requestInfo }) => {
    Object.assign(requestInfo?.headers ?? {}, { 'x-written': 'yes' })
    return { content: [] }
  })
  const seen: unknown[] = []
  const app = Fastify({ forceCloseConnections: true })
  // From here on the request has other headers, and its getter returns new ones each time.
  app.addHook('onRequest', async (request) => {
    if (request.headers['x-replaced']) request.headers = { ...request.headers }
  })
  app.addHook('onResponse', async ({ headers }) => {
    seen.push(headers['x-written'])
  })
  const url = await serve(t, app, buildEndpoint({ server }))
  for (const headers of [{}, { 'x-replaced': '1' }]) {
    assert.equal((await post(url, toolCall(1, 'write'), headers)).status, 200)
  }
  await until(() => seen.length === 2)
  assert.deepEqual(seen, [undefined, undefined])
})

test('POST /mcp of one server gives callers no common log level and no tasks [SE-06 SE-09]', async (t) => {
  const url = await start(t, buildServer())
  const set = await post(url, {
    jsonrpc: '2.0',
    id: 1,
    method: 'logging/setLevel',
    params: { level: 'emergency' }
  })
  assert.deepEqual(await set.json(), { jsonrpc: '2.0', id: 1, result: {} })
  const taskMeta = { _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'x' } } }
  const calls = [
    { jsonrpc: '2.0', id: 1, method: 'tasks/list' },
    toolCall(1, 'whoami', { note: 'x' }, { task: {} }),
    toolCall(1, 'whoami', { note: 'x' }, taskMeta)
  ]
  for (const call of calls) {
    const { error } = await (await post(url, call)).json() as { error: { code: number } }
    assert.equal(error.code, -32601)
  }
})

test('POST /mcp responds 503 when its server closes, and afterwards', async (t) => {
  const observed: Observed = { started: [], aborted: [] }
  const server = buildServer(observed)
  const url = await start(t, server)
  const waiting = post(url, toolCall(1, 'wait', { name: 'a' }))
  await until(() => observed.started.length === 1)
  await server.close()
  assert.equal((await waiting).status, 503)
  await until(() => observed.aborted.length === 1)
  assert.equal((await post(url, toolCall(1, 'whoami', { note: 'x' }))).status, 503)
})

test('POST /mcp closes a server per request after its request, however that ends', async (t) => {
  let created = 0
  let closed = 0
  const observed: Observed = { started: [], aborted: [] }
  const url = await start(t, async (request) => {
    if (request.headers.authorization === 'Bearer bad') throw new Error('no server for you')
    const server = buildServer(observed)
    created++
    server.server.onclose = () => {
      closed++
    }
    return server
  })
  await (await post(url, toolCall(1, 'whoami', { note: 'x' }))).text()
  assert.deepEqual([created, closed], [1, 1])

  await (await post(url, toolCall(1, 'report', { steps: 1 }))).text()
  await until(() => closed === 2)

  const disconnect = new AbortController()
  const waiting = post(url, toolCall(1, 'wait', { name: 'a' }), {}, disconnect.signal).catch(
    () => {}
  )
  await until(() => observed.started.length === 1)
  disconnect.abort()
  await waiting
  await until(() => closed === 3)

  assert.equal(
    (await post(url, toolCall(1, 'whoami'), { authorization: 'Bearer bad' })).status,
    500
  )
  assert.equal((await post(url, { jsonrpc: '2.0' })).status, 400)
  assert.deepEqual([created, closed], [3, 3])
})
