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
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { z } from 'zod'
import type { FetchHandler } from '../../lib/options/mcp.ts'
import { buildEndpoint, post, serve, toolCall } from './route.ts'

async function start (
  t: TestContext,
  handler: FetchHandler,
  resource = () => 'https://mcp.example.com/mcp'
): Promise<string> {
  return serve(t, Fastify(), buildEndpoint({ handler }, { resource }))
}

const handler = () =>
  createMcpHandler(() => {
    const server = new McpServer({ name: 'test', version: '1.0.0' })
    server.registerTool('whoami', { inputSchema: z.object({}) }, async (_args, { http }) => (
      { content: [{ type: 'text', text: `${http?.authInfo?.token}` }] }
    ))
    return server
  })

test('POST /mcp serves clients of both eras with one handler of the SDK 2.x [HT-24]', async (t) => {
  const url = await start(t, handler())
  const requestInit = { headers: { authorization: 'Bearer ann' } }
  const legacyClient = new Client({ name: 'client', version: '1.0.0' })
  await legacyClient.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
  t.after(() => legacyClient.close())
  const modern = new Client2({ name: 'client', version: '1.0.0' }, {
    versionNegotiation: { mode: { pin: '2026-07-28' } }
  })
  await modern.connect(new Transport2(new URL(url), { requestInit }))
  t.after(() => modern.close())
  for (const client of [legacyClient, modern]) {
    const { content } = await client.callTool({ name: 'whoami', arguments: {} }) as {
      content: unknown
    }
    assert.deepEqual(content, [{ type: 'text', text: 'ann' }])
  }
})

test('POST /mcp passes the configured URL, the body and no connection header to the handler', async (t) => {
  const received: Array<Record<string, unknown>> = []
  const url = await start(t, {
    async fetch (request, options) {
      const { headers } = request
      received.push({
        url: request.url,
        method: request.method,
        host: headers.get('host'),
        custom: headers.get('x-custom'),
        text: await request.text(),
        ...options
      })
      return new Response(null, { status: 204, headers: { 'x-answer': 'yes' } })
    }
  }, () => 'https://late.example.com/mcp')
  const response = await post(url, { a: 1 }, { 'x-custom': 'c', authorization: 'Bearer ann' })
  assert.deepEqual([response.status, response.headers.get('x-answer')], [204, 'yes'])
  await fetch(url, { method: 'DELETE' })
  const authInfo = { token: 'ann', clientId: 'client', scopes: [], subject: 'ann' }
  assert.deepEqual(received, [
    {
      url: 'https://late.example.com/mcp',
      method: 'POST',
      host: null,
      custom: 'c',
      text: '{"a":1}',
      authInfo,
      parsedBody: { a: 1 }
    },
    { url: 'https://late.example.com/mcp', method: 'DELETE', host: null, custom: null, text: '' }
  ])
})

test('POST /mcp passes an event stream on chunk by chunk [HT-21]', async (t) => {
  let release = () => {}
  const url = await start(t, {
    fetch: () =>
      new Response(
        new ReadableStream({
          start (controller) {
            controller.enqueue(new TextEncoder().encode('data: 1\n\n'))
            release = () => controller.close()
          }
        }),
        { headers: { 'content-type': 'text/event-stream' } }
      )
  })
  const response = await post(url, toolCall(1, 'x'))
  assert.equal(response.headers.get('x-accel-buffering'), 'no')
  assert.ok(response.body)
  const reader = response.body.getReader()
  assert.equal(new TextDecoder().decode((await reader.read()).value), 'data: 1\n\n')
  release()
  assert.equal((await reader.read()).done, true)
})

test('POST /mcp aborts the handler when the client disconnects [HT-20]', async (t) => {
  const received = { started: false, aborted: false }
  const url = await start(t, {
    async fetch ({ signal }) {
      received.started = true
      await once(signal, 'abort')
      received.aborted = true
      throw new Error('aborted')
    }
  })
  const disconnect = new AbortController()
  const waiting = post(url, {}, {}, disconnect.signal).catch(() => {})
  while (!received.started) await sleep(5)
  disconnect.abort()
  await waiting
  while (!received.aborted) await sleep(5)
})

test('POST /mcp responds 500 when the handler throws', async (t) => {
  const url = await start(t, {
    fetch: () => {
      throw new Error('broken')
    }
  })
  assert.equal((await post(url, {})).status, 500)
})

test('close of the endpoint closes the handler', async () => {
  let closeCount = 0
  const endpoint = buildEndpoint({
    handler: {
      fetch: () => new Response(),
      close: () => {
        closeCount++
      }
    }
  })
  await endpoint.ready()
  await endpoint.close()
  assert.equal(closeCount, 1)
})
