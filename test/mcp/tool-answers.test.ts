import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import { startTools, textOf } from './tool-clients.ts'

const named = (operationId: string, more: object = {}) => ({ operationId, ...more }) as object
const mebibyte = 1024 * 1024
const object = { type: 'object', properties: { a: { type: 'integer' } } }

test('tools/call reads a streamed answer up to the limit, and ends its source [field:T1]', async (t) => {
  const sources: Array<{ stream: Readable, sent: number }> = []
  const { clients } = await startTools(t, (app) => {
    app.get('/endless', { schema: named('endless') }, async () => {
      const source = {
        sent: 0,
        stream: new Readable({
          read () {
            source.sent++
            this.push(Buffer.alloc(mebibyte / 16))
          }
        })
      }
      sources.push(source)
      return source.stream
    })
  }, { answerLimit: mebibyte })
  for (const { era, call } of clients) {
    const result = await call('endless')
    assert.equal(result.isError, true, era)
    assert.equal(textOf(result), 'HTTP 200: The response is too large. Request less of it.')
  }
  for (const { stream, sent } of sources) {
    assert.ok(stream.destroyed)
    assert.ok(sent < 32, String(sent))
  }
})

test('tools/call refuses one large Buffer and one long string, whatever the status [field:T1]', async (t) => {
  const { clients } = await startTools(t, (app) => {
    app.get('/buffer', { schema: named('buffer') }, async () => Buffer.alloc(64 * mebibyte))
    app.get('/text', { schema: named('text') }, async () => 'é'.repeat(mebibyte))
    app.get('/fits', { schema: named('fits') }, async () => 'x'.repeat(mebibyte))
    app.get(
      '/error',
      { schema: named('error') },
      async (_request, reply) => reply.code(500).type('text/plain').send('x'.repeat(2 * mebibyte))
    )
    app.get('/hijacked', { schema: named('hijacked') }, (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/plain' })
      for (let part = 0; part < 4; part++) reply.raw.write('x'.repeat(mebibyte))
      reply.raw.end()
    })
  }, { answerLimit: mebibyte })
  for (const { call } of clients) {
    for (const name of ['buffer', 'text', 'hijacked']) {
      assert.match(textOf(await call(name)), /^HTTP 200: The response is too large/, name)
    }
    assert.match(textOf(await call('error')), /^HTTP 500: The response is too large/)
    assert.equal(textOf(await call('fits')).length, mebibyte)
  }
})

test('tools/call says when a route ends the connection [field:T1]', async (t) => {
  const { clients } = await startTools(t, (app) => {
    app.get('/closed', { schema: named('closed') }, async (_request, reply) => {
      reply.raw.destroy()
      return await reply
    })
    app.get('/broken', { schema: named('broken') }, async () =>
      Readable.from((function* () {
        yield 'begin'
        throw new Error('secret')
      })()))
  })
  for (const { call } of clients) {
    assert.equal(textOf(await call('closed')), 'The route ended the connection.')
    const { isError, content } = await call('broken')
    assert.equal(isError, true)
    assert.doesNotMatch(JSON.stringify(content), /secret/)
  }
})

test('a success is no error, whatever its status, shape and type [field:T3 field:T4 field:T28]', async (t) => {
  const response = { 200: object }
  const { clients } = await startTools(t, (app) => {
    const answers: Record<string, (reply: FastifyReply) => unknown> = {
      whole: () => ({ a: 1 }),
      deleted: (reply) => reply.code(204).send(),
      accepted: (reply) => reply.code(202).send(),
      created: (reply) => reply.code(201).send({ created: [1] }),
      drifted: (reply) => reply.type('application/json').send('{"a":"text"}'),
      text: (reply) => reply.type('text/plain').send('fine'),
      list: (reply) => reply.type('application/json').send('[1]'),
      invalid: (reply) => reply.type('application/json').send('{"a":'),
      deep: (reply) =>
        reply.type('application/json').send(`{"a":${'['.repeat(9_999)}${']'.repeat(9_999)}}`)
    }
    for (const [name, answer] of Object.entries(answers)) {
      app.delete(
        `/${name}`,
        { schema: named(name, { response }) },
        async (_request, reply) => answer(reply)
      )
    }
  })
  for (const { call } of clients) {
    const results = async (...names: string[]) =>
      await Promise.all(names.map(async (name) => {
        const { isError, structuredContent, ...result } = await call(name)
        return [isError ?? false, structuredContent, textOf(result).slice(0, 20)]
      }))
    assert.deepEqual(await results('whole', 'deleted', 'accepted', 'text', 'list', 'invalid'), [
      [false, { a: 1 }, '{"a":1}'],
      [false, {}, 'Done (204)'],
      [false, {}, 'Done (202)'],
      [false, {}, 'fine'],
      [false, {}, '[1]'],
      [false, {}, '{"a":']
    ])
    assert.deepEqual(await results('created', 'drifted'), [
      [false, { created: [1] }, '{"created":[1]}'],
      [false, {}, '{"a":"text"}']
    ])
    assert.deepEqual((await results('deep'))[0]?.slice(0, 2), [false, {}])
  }
})

test('tools/call returns text in its charset, images, audio, and other bytes as a resource [field:T11]', async (t) => {
  const bytes = Buffer.from([0x89, 0x50, 0, 0xff, 0xfe])
  const types: Record<string, [type: string | undefined, body: Buffer]> = {
    png: ['image/png', bytes],
    wav: ['Audio/WAV; rate=1', bytes],
    pdf: ['application/pdf', Buffer.from('%PDF-1.4')],
    unknown: [undefined, bytes],
    plain: [undefined, Buffer.from('é')],
    latin: ['text/plain; charset=ISO-8859-1', Buffer.from([0xe9])],
    wide: ['text/csv; charset="utf-16le"', Buffer.from('é', 'utf16le')],
    other: ['text/plain; charset=x-unknown', Buffer.from('é')],
    problem: ['application/problem+json', Buffer.from('{"é":1}')],
    svg: ['image/svg+xml', Buffer.from('<svg/>')]
  }
  const { clients } = await startTools(t, (app) => {
    for (const [name, [type, body]] of Object.entries(types)) {
      app.get(`/files/:id/${name}`, { schema: named(name) }, (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, type === undefined ? {} : { 'content-type': type })
        reply.raw.end(body)
      })
    }
  })
  const data = bytes.toString('base64')
  const expected = {
    png: { type: 'image', data, mimeType: 'image/png' },
    wav: { type: 'audio', data, mimeType: 'audio/wav' },
    pdf: {
      type: 'resource',
      resource: {
        uri: 'route:///files/a%2Fb/pdf',
        mimeType: 'application/pdf',
        blob: Buffer.from('%PDF-1.4').toString('base64')
      }
    },
    unknown: {
      type: 'resource',
      resource: {
        uri: 'route:///files/a%2Fb/unknown',
        mimeType: 'application/octet-stream',
        blob: data
      }
    },
    plain: { type: 'text', text: 'é' },
    latin: { type: 'text', text: 'é' },
    wide: { type: 'text', text: 'é' },
    other: { type: 'text', text: 'é' },
    problem: { type: 'text', text: '{"é":1}' },
    svg: { type: 'text', text: '<svg/>' }
  }
  for (const { call } of clients) {
    for (const [name, content] of Object.entries(expected)) {
      assert.deepEqual((await call(name, { id: 'a/b' })).content, [content], name)
    }
  }
})

test('tools/call decodes an answer that its route compressed, up to the limit [field:T1 field:T11]', async (t) => {
  const json = Buffer.from('{"a":1}')
  const bodies: Record<string, [coding: string, body: Buffer, status?: number]> = {
    gzip: ['gzip', gzipSync(json)],
    twice: ['GZIP, br', brotliCompressSync(gzipSync(json))],
    deflate: ['deflate', deflateSync(json)],
    identity: ['identity', json],
    failed: ['br', brotliCompressSync(Buffer.from('{"message":"no"}')), 409],
    bomb: ['gzip', gzipSync(Buffer.alloc(5 * mebibyte))],
    broken: ['gzip', json],
    unknown: ['zstd', json]
  }
  const { clients } = await startTools(t, (app) => {
    for (const [name, [coding, body, status = 200]] of Object.entries(bodies)) {
      app.get(
        `/${name}`,
        { schema: named(name, { response: { 200: object } }) },
        (_, reply) =>
          reply.code(status).header('content-encoding', coding).type('application/json').send(body)
      )
    }
  })
  for (const { call } of clients) {
    for (const name of ['gzip', 'twice', 'deflate', 'identity']) {
      const { content, structuredContent } = await call(name)
      assert.deepEqual(content, [{ type: 'text', text: '{"a":1}' }], name)
      assert.deepEqual(structuredContent, { a: 1 })
    }
    assert.equal(textOf(await call('failed')), 'HTTP 409: no')
    assert.match(textOf(await call('bomb')), /too large/)
    for (const name of ['broken', 'unknown']) {
      const { content: [first] } = await call(name)
      assert.equal(first?.type, 'resource', name)
    }
  }
})

test('the error of a tool has the status and the message of its route, of bounded length [field:T27]', async (t) => {
  const answers: Record<string, (reply: FastifyReply) => FastifyReply> = {
    thrown: (reply) => reply.code(409).send(new Error('It exists already.')),
    problem: (reply) =>
      reply.code(422).type('application/problem+json')
        .send('{"type":"about:blank","title":"No","status":422,"detail":"Name a day."}'),
    nested: (reply) => reply.code(400).send({ error: { code: 7, message: 'It is closed.' } }),
    plain: (reply) => reply.code(503).header('retry-after', '30').send('busy'),
    limited: (reply) =>
      reply.code(429).header('retry-after', 'Fri, 31 Dec 1999 23:59:59 GMT').send({
        message: 'slow'
      }),
    empty: (reply) => reply.code(404).send(),
    redirect: (reply) => reply.redirect('/elsewhere?a=1', 303),
    page: (reply) => reply.code(500).type('text/html').send('<p>'.repeat(100_000)),
    image: (reply) => reply.code(500).type('image/png').send(Buffer.from([0xff, 0])),
    cookie: (reply) =>
      reply.code(401).header('set-cookie', 'session=secret').send({ message: 'no' })
  }
  const { clients } = await startTools(t, (app) => {
    for (const [name, answer] of Object.entries(answers)) {
      app.get(`/${name}`, { schema: named(name) }, async (_request, reply) => await answer(reply))
    }
  })
  const expected = {
    thrown: 'HTTP 409: It exists already.\n{"statusCode":409,"error":"Conflict"}',
    problem: 'HTTP 422: Name a day.\n{"type":"about:blank","title":"No","status":422}',
    nested: 'HTTP 400: It is closed.\n{"error":{"code":7}}',
    plain: 'HTTP 503: busy\nRetry after 30 seconds.',
    limited: 'HTTP 429: slow\nRetry after Fri, 31 Dec 1999 23:59:59 GMT.',
    empty: 'HTTP 404',
    redirect: 'HTTP 303: The route redirects to /elsewhere?a=1.',
    image: 'HTTP 500',
    cookie: 'HTTP 401: no'
  }
  for (const { call } of clients) {
    for (const [name, text] of Object.entries(expected)) {
      const { isError, content } = await call(name)
      assert.deepEqual([isError, content], [true, [{ type: 'text', text }]], name)
    }
    const page = await call('page')
    assert.equal(page.isError, true)
    assert.ok(textOf(page).length <= 4_000)
  }
})

test('validation errors name the argument as the tool calls it', async (t) => {
  const { clients } = await startTools(t, (app) => {
    app.post('/items/:id', {
      schema: named('update', {
        params: { type: 'object', properties: { id: { type: 'integer' } } },
        querystring: { type: 'object', properties: { limit: { type: 'integer', minimum: 1 } } },
        body: {
          type: 'object',
          required: ['name', 'home'],
          properties: {
            name: { type: 'string' },
            'a/b~': { type: 'integer' },
            home: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } }
          }
        }
      })
    }, async () => 'ok')
  })
  const valid = { id: 1, name: 'a', home: { city: 'b' } }
  for (const { call } of clients) {
    const message = async (args: object) =>
      /^HTTP 400: (.*)/.exec(textOf(await call('update', { ...valid, ...args })))?.[1]
    assert.equal(await message({ id: 'x' }), 'id must be integer')
    assert.equal(await message({ limit: 0 }), 'limit must be >= 1')
    assert.equal(await message({ home: {} }), "home must have required property 'city'")
    assert.equal(await message({ home: { city: [{}] } }), 'home/city must be string')
    assert.equal(textOf(await call('update', valid)), 'ok')
    assert.match(textOf(await call('update', { id: 1, home: {} })), /^HTTP 400: name is missing\n/)
  }
})
