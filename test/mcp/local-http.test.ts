import assert from 'node:assert/strict'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import multipart from '@fastify/multipart'
import Fastify, { type FastifyInstance } from 'fastify'
import { type LocalRequest, requestLocally } from '../../lib/mcp/tools/local-http.ts'

// A route must not notice that no connection is behind a request.

async function start (t: TestContext) {
  const seen: string[] = []
  const app = Fastify({ bodyLimit: 2_000, forceCloseConnections: true })
  await app.register(helmet)
  await app.register(cookie)
  await app.register(multipart, { attachFieldsToBody: 'keyValues' })
  const note = (name: string) => async () => {
    seen.push(name)
  }
  app.addHook('onRequest', note('onRequest'))
  app.addHook('preParsing', async (_request, _reply, payload) => {
    seen.push('preParsing')
    return payload
  })
  app.addHook('preValidation', note('preValidation'))
  app.addHook('preHandler', note('preHandler'))
  app.addHook('preSerialization', async (_request, _reply, payload) => {
    seen.push('preSerialization')
    return payload
  })
  app.addHook('onSend', async (_request, _reply, payload) => {
    seen.push('onSend')
    return payload
  })
  app.addHook('onResponse', async (request, { raw, statusCode, sent }) => {
    const { aborted, httpVersion } = request.raw
    seen.push(
      JSON.stringify([
        'onResponse',
        [statusCode, sent, raw.headersSent, raw.writableEnded, raw.writableFinished],
        [aborted, httpVersion, request.ip, request.protocol]
      ])
    )
  })
  addRoutes(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => app.close())
  return { app, seen }
}

function addRoutes (app: FastifyInstance) {
  const url = '/echo/:id'
  const schema = {
    querystring: { type: 'object', properties: { n: { type: 'integer' } } },
    response: { 200: { type: 'object', properties: { id: {}, n: {}, body: {}, headers: {} } } }
  }
  app.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url,
    schema,
    handler: async ({ params, query, body, headers, raw }, reply) => {
      reply.header('x-raw', String(raw.rawHeaders.length > 0))
      const { host, connection, ...others } = headers
      return { ...params as object, ...query as object, body, headers: others, dropped: 1 }
    }
  })
  app.get('/empty', async (_request, reply) => reply.code(204).send())
  app.get('/unchanged', async (_request, reply) => reply.code(304).send())
  app.get('/moved', async (_request, reply) => reply.redirect('/empty'))
  app.get('/fails', async () => {
    throw Object.assign(new Error('no'), { statusCode: 418 })
  })
  app.get('/invalid-header', async (_request, reply) => reply.header('x', 'a\nb').send('x'))
  app.get(
    '/bytes',
    async (_request, reply) => reply.type('image/png').send(Buffer.from([0, 13, 10, 13, 10, 255]))
  )
  app.get('/latin1', async (_request, reply) => reply.send('\u20ac'))
  app.get('/large', async (_request, reply) => reply.send('\u20ac'.repeat(100_000)))
  app.get(
    '/stream',
    async (_request, reply) =>
      reply.type('text/plain').send(Readable.from(['a'.repeat(40_000), 'b', 'c'.repeat(90_000)]))
  )
  app.get(
    '/web',
    async () => new Response('web', { status: 201, headers: { 'content-type': 'text/x' } })
  )
  app.get('/hints', async (_request, reply) => {
    await new Promise<void>(resolve => {
      reply.raw.writeEarlyHints({ link: '</a>; rel=preload' }, resolve)
    })
    return { hints: true }
  })
  app.get('/trailers', async (_request, reply) => {
    reply.trailer('x-end', async () => 'end')
    return 'body'
  })
  app.get('/raw', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(202, { 'X-Own': ['a', 'b'] })
    reply.raw.write('one')
    setTimeout(() => reply.raw.end('two'), 5)
  })
  app.get('/cookies', async ({ cookies }, reply) => {
    reply.setCookie('a', '1').setCookie('b', '2')
    return cookies
  })
  app.get(
    '/compressed',
    async (_request, reply) =>
      reply.header('content-encoding', 'gzip').send(
        Readable.from(['x'.repeat(5_000)]).pipe(createGzip())
      )
  )
  app.post('/form', async ({ body }) => body)
}

/** Sends a request over HTTP. */
async function overHttp (app: FastifyInstance, { body, ...request }: Given) {
  const { port } = app.server.address() as AddressInfo
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest({ ...request, path: request.url, port, host: '127.0.0.1' }, resolve)
      .on('error', reject)
      .end(body)
  })
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

type Given = Omit<LocalRequest, 'remoteAddress'>

/** Headers that Node.js adds for the connection. */
const ofConnection = ['date', 'connection', 'keep-alive', 'transfer-encoding', 'trailer']

function comparable (
  response: { status?: number | undefined, headers: object, body: Buffer | null }
) {
  const headers = Object.entries(response.headers)
    .filter(([name]) => !ofConnection.includes(name))
    .map((
      [name, value]
    ) => [name, Array.isArray(value) && name !== 'set-cookie' ? value.join(', ') : value])
    .map((
      [name, value]
    ) => [
      name,
      name === 'set-cookie' ? value : Buffer.from(String(value), 'latin1').toString('latin1')
    ])
  return {
    status: response.status,
    headers: Object.fromEntries(headers),
    body: String(response.body)
  }
}

const json = (body: string, type = 'application/json') => ({
  body,
  headers: { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }
})

async function multipartBody () {
  const form = new FormData()
  form.append('name', '\u00fc')
  form.append('file', new File(['content'], 'a.txt', { type: 'text/plain' }))
  const encoded = new Response(form)
  const body = Buffer.from(await encoded.arrayBuffer())
  const type = encoded.headers.get('content-type') ?? ''
  return { body, headers: { 'content-type': type, 'content-length': String(body.length) } }
}

test('requestLocally gets the response that a route sends over HTTP, and runs the same hooks', async (t) => {
  const { app, seen } = await start(t)
  const requests: Array<Partial<Given>> = [
    { url: '/echo/1?n=2' },
    { url: '/echo/a%2Fb?n=x' },
    { url: '/unknown' },
    ...['POST', 'PUT', 'PATCH', 'DELETE'].flatMap(method => [
      { method, url: '/echo/1', headers: { 'content-length': '0' } },
      { method, url: '/echo/1', ...json('{"a":["\u20ac"]}') },
      { method, url: '/echo/1', ...json('{"a":') },
      { method, url: '/echo/1', ...json('') },
      { method, url: '/echo/1', ...json(`"${'x'.repeat(3_000)}"`) },
      { method, url: '/echo/1', ...json('a=1', 'application/x-unknown') }
    ]),
    ...(
      'empty unchanged moved fails invalid-header bytes latin1 large stream web hints trailers raw ' +
      'compressed'
    ).split(' ').map(name => ({ url: `/${name}` })),
    { url: '/cookies', headers: { cookie: 'c=3; d=4' } },
    { method: 'POST', url: '/form', ...await multipartBody() }
  ]
  for (const given of requests) {
    const request: Given = {
      method: 'GET',
      url: '/',
      body: null,
      ...given,
      headers: { host: 'a.example', ...given.headers }
    }
    const overNetwork = comparable(await overHttp(app, request))
    while (!seen.at(-1)?.includes('onResponse')) await sleep(1)
    const hooks = seen.splice(0)
    const local = await requestLocally(app, { ...request, remoteAddress: '127.0.0.1' }, 1e6)
    const label = `${request.method} ${request.url}`
    assert.equal(local.isComplete, true, label)
    assert.deepEqual(comparable(local), overNetwork, label)
    while (!seen.at(-1)?.includes('onResponse')) await sleep(1)
    assert.deepEqual(seen.splice(0), hooks, label)
  }
})

test('requestLocally reads no response beyond the limit, and reports one without an end', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const closed: string[] = []
  app.addHook('onRequest', async ({ url }, { raw }) => {
    raw.once('close', () => closed.push(url))
  })
  app.get('/large', async () => 'x'.repeat(1_001))
  app.get('/endless', async (_request, reply) =>
    reply.send(Readable.from((async function* () {
      for (;;) yield 'x'.repeat(100)
    })())))
  app.get('/broken', (_request, reply) => {
    reply.hijack()
    reply.raw.write('a')
    setImmediate(() => reply.raw.destroy(new Error('broken')))
  })
  app.get('/silent', (_request, reply) => {
    reply.raw.destroy()
  })
  await app.ready()
  const get = async (url: string) => {
    const request = { method: 'GET', url, headers: { host: 'x' }, body: null, remoteAddress: 'x' }
    const { status, body, isComplete } = await requestLocally(app, request, 1_000)
    return [status, body && String(body), isComplete]
  }
  assert.deepEqual(await get('/large'), [200, null, false])
  assert.deepEqual(await get('/endless'), [200, null, false])
  assert.deepEqual(await get('/broken'), [200, 'a', false])
  assert.deepEqual(await get('/silent'), [0, '', false])
  await sleep(1)
  assert.deepEqual(closed, ['/large', '/endless', '/broken', '/silent'])
})
