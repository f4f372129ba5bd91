import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
// Loads the routes, which @fastify/autoload finds.
import 'tsx'
import {
  Client as Client2,
  StreamableHTTPClientTransport as Transport2
} from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { FastifyInstance } from 'fastify'
import { startIssuer, type Issuer } from './support/issuer.ts'
import { json, sendRequest } from './support/requests.ts'

process.env.LOG_LEVEL = 'silent'
process.env.FASTIFY_AUTOLOAD_TYPESCRIPT = 'true'
process.env.SESSION_SECRET = 'the secret of the sessions of this test'

const { build: buildBefore } = await import('../docs/examples/existing-api/before.ts')
const { build: buildAfter } = await import('../docs/examples/existing-api/after.ts')

async function originOf (app: FastifyInstance): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://localhost:${(app.server.address() as AddressInfo).port}`
}

async function startBefore (t: TestContext): Promise<string> {
  const app = await buildBefore()
  t.after(() => app.close())
  return await originOf(app)
}

/** The API with the plugin, and a token for it. */
async function startAfter (t: TestContext) {
  const issuer: Issuer = await startIssuer()
  const apps: FastifyInstance[] = []
  t.after(async () => {
    for (const part of [...apps, issuer]) await part.close()
  })
  const app = await buildAfter({ issuer: issuer.issuer })
  apps.push(app)
  const origin = await originOf(app)
  const mcpUrl = `${origin}/mcp`
  return { app, origin, mcpUrl, token: await issuer.mint({ aud: mcpUrl }) }
}

async function sessionOf (origin: string, user = 'carol'): Promise<Record<string, string>> {
  const response = await sendRequest(`${origin}/session`, json({ user, password: 'x' }))
  const { token } = await response.json() as { token: string }
  return { authorization: `Bearer ${token}` }
}

test('an existing API answers HTTP the same without and with the plugin [field:T16]', async (t) => {
  const [before, after] = [await startBefore(t), await startAfter(t)]
  for (const path of ['/openapi.json', '/notes', '/notes/1', '/none']) {
    assert.deepEqual(await answerOf(after.origin, path), await answerOf(before, path), path)
  }
  // An access token is a stranger's token here, as it was before.
  const headers = { authorization: `Bearer ${after.token}` }
  const refusals = [after.origin, before].map(origin => answerOf(origin, '/notes', { headers }))
  const [first, second] = await Promise.all(refusals)
  assert.deepEqual(first, second)
  assert.ok(Number(first?.status) >= 400)

  const sessions = [await sessionOf(before), await sessionOf(after.origin)]
  const requests: Array<[string, RequestInit]> = [
    ['/notes', json({ text: 'milk' })],
    ['/notes', json({ text: '' })],
    ['/notes', json('{')],
    ['/notes?search=mil', {}],
    ['/notes?search=x', {}],
    ['/notes/1', {}],
    ['/notes/2', {}],
    ['/notes/x', {}],
    ['/notes', {
      method: 'OPTIONS',
      headers: { origin: 'https://notes.example.com', 'access-control-request-method': 'GET' }
    }],
    ['/notes/1', { method: 'DELETE' }],
    ['/notes', { method: 'HEAD' }]
  ]
  for (const [path, init] of requests) {
    const [old, now] = await Promise.all(
      [before, after.origin].map((origin, index) =>
        answerOf(origin, path, {
          ...init,
          headers: { ...sessions[index], ...init.headers as object }
        })
      )
    )
    assert.deepEqual(now, old, `${init.method ?? 'GET'} ${path}`)
  }
})

/** A response without its time. */
async function answerOf (origin: string, path: string, init?: RequestInit) {
  const { status, headers, text } = await sendRequest(origin + path, init)
  const kept = [...headers].filter(([name]) => name !== 'date' && name !== 'x-ratelimit-reset')
  return { status, headers: kept, text: await text() }
}

test('clients of both eras list and call the tools of an existing API [field:T6 field:T16 field:T19]', async (t) => {
  const { mcpUrl, origin, token } = await startAfter(t)
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  const info = { name: 'client', version: '1.0.0' }
  const old = new Client(info)
  const modern = new Client2(info)
  t.after(() => Promise.all([old.close(), modern.close()]))
  await old.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { requestInit }))
  await modern.connect(new Transport2(new URL(mcpUrl), { requestInit }))
  for (const [index, client] of [old, modern].entries()) {
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name, description }) => [name, description]),
      [
        ['delete_notes_by_id', 'Deletes a note'],
        ['get_notes', 'Lists your notes'],
        ['get_notes_by_id', 'Reads a note'],
        ['post_notes', 'Writes a note']
      ]
    )
    const call = async (name: string, args: Record<string, unknown> = {}) =>
      await client.callTool({ name, arguments: args })
    const note = { id: 1, text: `milk ${index}` }
    assert.deepEqual((await call('post_notes', { text: note.text })).structuredContent, note)
    assert.deepEqual((await call('get_notes')).structuredContent, { notes: [note] })
    assert.deepEqual((await call('get_notes_by_id', { id: 1 })).structuredContent, note)
    const missing = await call('get_notes_by_id', { id: 2 })
    assert.equal(missing.isError, true)
    assert.match(JSON.stringify(missing.content), /There is no note with this number/)
    assert.equal((await call('post_notes', { text: '' })).isError, true)
    assert.notEqual((await call('delete_notes_by_id', { id: 1 })).isError, true)
    assert.deepEqual((await call('get_notes')).structuredContent, { notes: [] })
  }
  // Users of sessions have notes of their own.
  const headers = await sessionOf(origin)
  const mine = await sendRequest(`${origin}/notes`, { headers })
  assert.deepEqual(await mine.json(), { notes: [] })
})

test('a rate limit that looks at request.mcpCall counts a tool call once [field:T26]', async (t) => {
  const { mcpUrl, origin, token } = await startAfter(t)
  const headers = await sessionOf(origin)
  const remaining = async () =>
    Number((await sendRequest(`${origin}/notes`, { headers })).headers.get('x-ratelimit-remaining'))
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_notes' } }
  const first = await remaining()
  for (let calls = 0; calls < 3; calls++) {
    const response = await sendRequest(
      mcpUrl,
      json(call, {
        authorization: `Bearer ${token}`,
        accept: 'application/json, text/event-stream'
      })
    )
    assert.match(await response.text(), /notes/)
  }
  assert.equal(first - await remaining(), 3 + 1)
})
