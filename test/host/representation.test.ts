import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import Fastify, { type FastifyInstance } from 'fastify'
import { createSender } from '../../lib/host/representation.ts'

interface Answer {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: Buffer
}

interface Served {
  app: FastifyInstance
  state: { text: string }
  get(headers?: Record<string, string>, method?: string): Promise<Answer>
}

const small = JSON.stringify({ resource: 'https://mcp.example.com/mcp' })
const large = JSON.stringify({
  scopes_supported: Array.from({ length: 200 }, (_, i) => `scope:${i}`)
})

async function serve (t: TestContext, text: string): Promise<Served> {
  const state = { text }
  const app = Fastify()
  const send = createSender({
    'cache-control': 'public, max-age=300',
    'content-type': 'application/json; charset=utf-8',
    'access-control-allow-origin': '*'
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: '/',
    exposeHeadRoute: false,
    handler: (request, reply) => {
      send(state.text, request, reply)
    }
  })
  t.after(() => app.close())
  return {
    app,
    state,
    async get (headers = {}, method = 'GET') {
      if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
      const { port } = app.server.address() as AddressInfo
      const sent = request({ host: '127.0.0.1', port, method, headers, agent: false }).end()
      const [response] = await new Promise<[import('node:http').IncomingMessage]>(
        (resolve, reject) => {
          sent.on('response', (...given) => resolve(given)).on('error', reject)
        }
      )
      return {
        status: response.statusCode,
        headers: response.headers,
        body: await buffer(response)
      }
    }
  }
}

test('createSender() sends 304 to a client that has the document (RFC 9110 §13.1.2)', async (t) => {
  const { get } = await serve(t, small)
  const first = await get()
  const etag = String(first.headers.etag)
  assert.match(etag, /^W\/"[\w-]{27}"$/)
  assert.equal(first.body.toString(), small)
  const strong = etag.slice(2)
  for (
    const known of [
      etag,
      strong,
      '*',
      ' * ',
      `"a", ${etag}`,
      `W/"x",${strong} , "y"`,
      `"a,b",${etag}`
    ]
  ) {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await get({ 'if-none-match': known }, method)
      assert.equal(status, 304, known)
      assert.equal(body.length, 0)
      assert.equal(headers.etag, etag)
      assert.equal(headers['cache-control'], 'public, max-age=300')
      assert.equal(headers['access-control-allow-origin'], '*')
      assert.equal(headers['content-type'], undefined)
    }
  }
  for (
    const other of [
      '',
      '"x"',
      'W/"x"',
      strong.slice(1, -1),
      `"${strong}`,
      '"*"',
      `"x${strong.slice(1)}`
    ]
  ) {
    const { status, body } = await get({ 'if-none-match': other })
    assert.equal(status, 200, other)
    assert.equal(body.toString(), small)
  }
})

test('createSender() sends a changed document to a client that has an earlier one', async (t) => {
  const { get, state } = await serve(t, large)
  const first = await get({ 'accept-encoding': 'gzip' })
  state.text = large.replace('scope:0', 'scope:x')
  const known = { 'if-none-match': String(first.headers.etag), 'accept-encoding': 'gzip' }
  const second = await get(known)
  assert.equal(second.status, 200)
  assert.notEqual(second.headers.etag, first.headers.etag)
  assert.equal(gunzipSync(second.body).toString(), state.text)
  state.text = large
  assert.equal((await get(known)).status, 304)
})

test('createSender() compresses a large document as the client prefers (RFC 9110 §12.5.3)', async (t) => {
  const { get } = await serve(t, large)
  for (
    const [accepted, coding] of [
      ['gzip', 'gzip'],
      ['GZIP', 'gzip'],
      ['br', 'br'],
      ['gzip, deflate, br', 'br'],
      ['gzip;q=1.0, br;q=0.5', 'gzip'],
      ['br; q=0, gzip', 'gzip'],
      ['*', 'br'],
      ['*;q=0.1, gzip;q=0', 'br'],
      ['deflate', undefined],
      ['identity', undefined],
      ['gzip;q=0', undefined],
      ['gzip;q=0.5, identity;q=1', undefined],
      ['gzip;q=x', undefined],
      ['', undefined],
      [undefined, undefined]
    ] as const
  ) {
    const sent = accepted === undefined ? {} : { 'accept-encoding': accepted }
    const { headers, body } = await get(sent)
    assert.equal(headers['content-encoding'], coding, accepted)
    assert.equal(headers.vary, 'Accept-Encoding')
    const text = coding === 'br'
      ? brotliDecompressSync(body)
      : coding === 'gzip'
      ? gunzipSync(body)
      : body
    assert.equal(text.toString(), large, accepted)
    const head = await get(sent, 'HEAD')
    assert.equal(head.headers['content-length'], String(body.length))
    assert.equal(head.headers['content-encoding'], coding)
    const { status, headers: rest } = await get({ ...sent, 'if-none-match': String(headers.etag) })
    assert.deepEqual([status, rest['content-encoding'], rest.vary], [
      304,
      undefined,
      'Accept-Encoding'
    ])
  }
})

test('createSender() sends a document of one packet as it is, without Vary', async (t) => {
  const { get } = await serve(t, small)
  const { headers, body } = await get({ 'accept-encoding': 'gzip, br' })
  assert.deepEqual([headers['content-encoding'], headers.vary], [undefined, undefined])
  assert.equal(body.toString(), small)
})

test('createSender() leaves the rest to hooks of the host that compress and tag responses', async (t) => {
  const { app, get } = await serve(t, small)
  // As @fastify/compress and @fastify/etag do.
  app.addHook('onSend', async (request, reply, payload) => {
    assert.equal(typeof reply.getHeader('etag'), 'string')
    if (request.headers['accept-encoding'] === undefined || !payload) return payload
    if (reply.getHeader('content-encoding') !== undefined) return payload
    reply.header('content-encoding', 'gzip').header('vary', 'accept-encoding').removeHeader(
      'content-length'
    )
    return gzipSync(String(payload))
  })
  const { headers, body } = await get({ 'accept-encoding': 'gzip' })
  assert.equal(gunzipSync(body).toString(), small)
  const known = { 'if-none-match': String(headers.etag), 'accept-encoding': 'gzip' }
  assert.equal((await get(known)).status, 304)
})
