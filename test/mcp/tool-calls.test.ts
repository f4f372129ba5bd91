import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import fc from 'fast-check'
import Fastify from 'fastify'
import { safeLogger } from '../../lib/host/replies.ts'
import { mcpOAuth } from '../../lib/index.ts'
import { createCaller } from '../../lib/mcp/tools/call.ts'
import { type MarkedConfig, injectTokensOf, routeMark } from '../../lib/mcp/tools/in-process.ts'
import { Cancellation } from '../../lib/util/cancellation.ts'
import type { Input, Place } from '../../lib/mcp/tools/input.ts'
import { parsePath } from '../../lib/mcp/tools/path.ts'
import type { Built } from '../../lib/mcp/tools/names.ts'
import { CallError, buildRequest } from '../../lib/mcp/tools/request.ts'
import { sendRequest } from '../support/requests.ts'
import { rpc } from '../support/revisions.ts'
import { startTools, textOf } from './tool-clients.ts'

const named = (operationId: string, more: object = {}) => ({ operationId, ...more }) as object

/** An input whose places are written as `in name type|type`. */
function inputOf (
  places: Record<string, string>,
  more: Partial<Pick<Input, 'rest' | 'bodyType'>> = {}
): Input {
  return {
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    places: new Map(
      Object.entries(places).map(([argument, place]): [string, Place] => {
        const [kind, name = '', types] = place.split(' ')
        return [argument, { in: kind as Place['in'], name, types: types?.split('|') ?? null }]
      })
    ),
    rest: null,
    bodyType: null,
    ...more
  }
}

function request (input: Input, args: object, path = '/a') {
  return buildRequest(parsePath(path), input, args as Record<string, unknown>)
}

function refuses (input: Input, args: object, message: RegExp, path?: string) {
  assert.throws(
    () => request(input, args, path),
    (error) => error instanceof CallError && message.test(error.message),
    JSON.stringify(args)?.slice(0, 100)
  )
}

test('an unknown argument is named, with the arguments that the tool has [field:T25]', () => {
  refuses(
    inputOf({ id: 'query id', q: 'query q' }),
    { constructor: 1 },
    /^Unknown arguments: "constructor"\. The tool has: "id", "q"\.$/
  )
  refuses(inputOf({}), JSON.parse('{"__proto__":1}'), /"__proto__"\. The tool has: none\.$/)
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`a${index}`, 1]))
  refuses(inputOf({}), many, /^.{1,1000}, …\. The tool has: none\.$/)
})

test('members that an open schema does not list go where it is open [field:T25]', () => {
  const places = { id: 'query id', body_id: 'body id' }
  assert.equal(
    request(inputOf(places, { rest: 'query' }), { id: 1, 'a&b': [1, 2] }).url,
    '/a?id=1&a%26b=1&a%26b=2'
  )
  const open = inputOf(places, { rest: 'body', bodyType: 'json' })
  const { url, body } = request(open, JSON.parse('{"id":1,"body_id":2,"z":3,"__proto__":4}'))
  assert.deepEqual([url, body], [
    '/a?id=1',
    { type: 'application/json', content: '{"id":2,"z":3,"__proto__":4}' }
  ])
})

test('a list or an object is sent as it is, and JSON text in its place refused [field:T18]', () => {
  const input = inputOf({
    tags: 'query tags array',
    filter: 'body filter object',
    items: 'body items array|null',
    mixed: 'body mixed array|number',
    text: 'body text array|string'
  }, { bodyType: 'json' })
  const sent = (args: object) => {
    const { url, body } = request(input, args)
    return [url, JSON.parse(Object(body).content)]
  }
  assert.deepEqual(sent({ tags: ['a', 'b'], filter: { x: [1] }, items: [1] }), [
    '/a?tags=a&tags=b',
    { filter: { x: [1] }, items: [1] }
  ])
  assert.deepEqual(sent({ items: null, mixed: 5, text: '[1]', tags: null }), [
    '/a',
    { items: null, mixed: 5, text: '[1]' }
  ])
  assert.deepEqual(sent({ mixed: '[5]' })[1], { mixed: '[5]' })
  for (const value of ['a', '["a","b"]', '{}', '[', 5, true, {}]) {
    refuses(input, { tags: value }, /^The argument "tags" must be of type array\.$/)
  }
  for (const value of ['a', '{"x":1}', 5, [], null]) {
    refuses(input, { filter: value }, /"filter" must be of type object/)
  }
  refuses(input, { items: '{}' }, /"items" must be of type array/)
})

test('members of an open body are sent by their names there, and refused in other types', () => {
  const open = { rest: 'body', bodyType: 'json' } as const
  const content = (input: Input, args: object) => Object(request(input, args).body).content
  const plain = inputOf({ a: 'body a', items: 'body items array' }, open)
  assert.equal(content(plain, { z: 1, items: [2], a: null }), '{"z":1,"items":[2],"a":null}')
  assert.equal(content(plain, {}), '{}')
  assert.equal(content(inputOf({ body_a: 'body a' }, open), { body_a: 1, z: 2 }), '{"a":1,"z":2}')
  refuses(plain, { items: '[2]' }, /"items" must be of type array/)
  refuses(plain, { deep: [{ a: Infinity }] }, /"a" is too large/)
})

test('an object in a query has brackets where its schema takes objects, and is refused elsewhere', () => {
  const input = inputOf({ filter: 'query filter object', q: 'query q', list: 'query list array' })
  const filter = { id: 1, tags: ['a'], deep: [{ x: null, y: 'é +' }] }
  assert.equal(
    decodeURIComponent(request(input, { filter }).url),
    '/a?filter[id]=1&filter[tags][]=a&filter[deep][0][y]=é +'
  )
  for (const args of [{ q: {} }, { q: [[1]] }, { list: [{ a: 1 }] }, { list: [[]] }]) {
    refuses(input, args, /^The argument "(q|list)" must not be nested\.$/)
  }
})

test('a header argument has the characters of a header [field:T21]', () => {
  const input = inputOf({ key: 'header Idempotency-Key', other: 'header x-other' })
  assert.deepEqual(request(input, { key: ' a\té ', other: 5 }).headers, {
    'idempotency-key': 'a\té',
    'x-other': '5'
  })
  assert.deepEqual(request(input, { key: null }).headers, {})
  for (const key of ['a\r\nhost: x', '\0', 'ē', ['a'], {}]) {
    refuses(input, { key }, /^The argument "key" cannot be a header\.$/)
  }
})

test('a URL and headers beyond the limit of HTTP are refused with the names of the arguments', () => {
  const input = inputOf({ q: 'query q', key: 'header key', id: 'path id', text: 'body text' }, {
    bodyType: 'json'
  })
  for (const name of ['q', 'key', 'id']) {
    refuses(
      input,
      { id: 1, [name]: 'x'.repeat(20_000) },
      new RegExp(`too long for a URL or a header: .*"${name}"`),
      '/:id'
    )
  }
  assert.ok(request(input, { id: 1, text: 'x'.repeat(20_000) }, '/:id').body)
})

test('an argument of the path that is missing, or names another path, is named [field:T23]', () => {
  const input = inputOf({ user_id: 'path id', rest: 'wildcard *' })
  const path = '/users/:id/files/*'
  assert.equal(
    request(input, { user_id: 'a/b', rest: 'x y/ü.txt' }, path).url,
    '/users/a%2Fb/files/x%20y/%C3%BC.txt'
  )
  refuses(input, { rest: 'x' }, /^The argument "user_id" is missing/, path)
  refuses(input, { user_id: null, rest: 'x' }, /^The argument "user_id" is missing/, path)
  refuses(input, { user_id: '..', rest: 'x' }, /"user_id"/, path)
  for (
    const rest of [
      '',
      '/x',
      'x/',
      'x//y',
      '.',
      '..',
      'a/../b',
      'a/%2e%2e/b',
      'a%2f..%2fb',
      '%252e%252e',
      'a\\b',
      'a%5Cb',
      'a\0',
      '%00',
      '%/%2e./',
      {},
      ['a', '..'],
      '\ud800'
    ]
  ) {
    refuses(
      input,
      { user_id: 1, rest },
      /^The argument "rest" is missing, or cannot be part of a path\.$/,
      path
    )
  }
})

test('a body has the type that the route reads: JSON, a form or multipart [field:T12 field:T22]', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  const tokens = injectTokensOf(app)
  tokens.receive()
  await app.register(formbody)
  await app.register(multipart)
  const config: MarkedConfig = { [routeMark]: 'mark' }
  app.post('/body', { config }, async ({ headers, body }) => ({
    type: headers['content-type'],
    body: body ?? null
  }))
  app.post('/files', { config }, async (request) => {
    const received = []
    for await (const part of request.parts()) {
      received.push(
        part.type === 'file'
          ? [part.fieldname, part.filename, part.mimetype, (await part.toBuffer()).toString('hex')]
          : [part.fieldname, part.value]
      )
    }
    return received
  })
  await app.ready()
  const call = createCaller(app, safeLogger(app.log), tokens, [], 10_000)
  const send = async (path: string, input: Input, args: object) => {
    const { status, body } = await call(
      {
        candidate: { method: 'POST', label: path, mark: 'mark' },
        tool: { name: 'tool' },
        path: parsePath(path),
        input
      } as unknown as Built,
      args as Record<string, unknown>,
      {
        headers: {},
        remoteAddress: '127.0.0.1',
        cancellation: new Cancellation()
      }
    )
    assert.equal(status, 200, String(body))
    return JSON.parse(String(body))
  }
  const json = inputOf({ body: 'wholeBody body object|array' }, { bodyType: 'json' })
  assert.deepEqual(await send('/body', json, {}), { body: null })
  assert.deepEqual(await send('/body', json, { body: [1] }), {
    type: 'application/json',
    body: [1]
  })
  assert.deepEqual(await send('/body', inputOf({ a: 'body a' }, { bodyType: 'json' }), {}), {
    type: 'application/json',
    body: {}
  })
  refuses(json, { body: { a: [Infinity] } }, /too large/)
  const form = inputOf({ a: 'body a[]', b: 'body b' }, { bodyType: 'form' })
  assert.deepEqual(await send('/body', form, { a: ['é&', 1], b: null }), {
    type: 'application/x-www-form-urlencoded',
    body: { 'a[]': ['é&', '1'] }
  })
  const files = inputOf({
    text: 'body text',
    more: 'body more"\r\n',
    object: 'body object',
    upload: 'file upload',
    list: 'file list[]'
  }, { bodyType: 'multipart' })
  const file = (data: unknown, more: object = {}) => ({ data, ...more })
  assert.deepEqual(
    await send('/files', files, {
      text: 'a--b',
      more: [1, null, true],
      object: { x: 1 },
      upload: file('AP8=', { mediaType: 'image/png', filename: 'a.png' }),
      list: [file(''), file('aGk')]
    }),
    [
      ['text', 'a--b'],
      ['more%22%0D%0A', '1'],
      ['more%22%0D%0A', 'true'],
      ['object', '{"x":1}'],
      ['upload', 'a.png', 'image/png', '00ff'],
      ['list[]', 'file', 'application/octet-stream', ''],
      ['list[]', 'file', 'application/octet-stream', '6869']
    ]
  )
  for (
    const upload of [
      null,
      'aGk=',
      {},
      file(5),
      file('a b'),
      file('a'),
      file('aGk=', { filename: '../a' }),
      file('', { filename: 'a"\r\n' }),
      file('', { filename: '' }),
      file('', { filename: ['a'] }),
      file('', { filename: 'a'.repeat(129) }),
      file('', { mediaType: 'image' }),
      file('', { mediaType: 'a/b\r\nx: y' }),
      file('', { mediaType: 'a/b; c=d' }),
      file('', { mediaType: ['a/b'] })
    ]
  ) refuses(files, { upload }, /^The argument "upload" must be a file: /)
})

const anything = fc.anything({
  maxDepth: 5,
  key: fc.oneof(fc.string(), fc.constantFrom('constructor', 'toString')),
  withNullPrototype: false
}).filter(value => {
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
  // The MCP route refuses a body with such a member.
}).map(value =>
  JSON.parse(JSON.stringify(value), (name, item) => name === '__proto__' ? undefined : item)
)

test('no arguments make tools/call throw, and nothing reaches a route that is not valid there', async (t) => {
  const received: Array<{ n?: number, list?: unknown[], id?: string }> = []
  const { clients } = await startTools(t, (app) => {
    app.post('/items/:id', {
      schema: named('item', {
        querystring: { type: 'object', properties: { n: { type: 'integer', maximum: 9 } } },
        body: {
          type: 'object',
          properties: { list: { type: 'array', items: { type: 'string', maxLength: 3 } } },
          additionalProperties: false
        }
      })
    }, async ({ params, query, body }) => {
      received.push({ ...params as object, ...query as object, ...body as object })
      return 'ok'
    })
  })
  for (const { call } of clients) {
    await fc.assert(
      fc.asyncProperty(anything, anything, anything, async (id, n, list) => {
        const result = await call('item', { id, n, list }).catch((error: Error) => {
          // Some values are nested more deeply than any body may be.
          assert.match(error.message, /nested too deeply/)
        })
        if (!result) return
        assert.ok(result.isError === true || textOf(result) === 'ok')
        assert.ok(textOf(result).length <= 4_000)
      }),
      { numRuns: 50 }
    )
  }
  for (const { n = 0, list = [], id } of received) {
    assert.ok(Number.isInteger(n) && n <= 9 && id !== '')
    assert.ok(list.every(item => typeof item === 'string' && item.length <= 3))
  }
})

test('request.mcpCall names the tool in every hook of the app, and is null for plain HTTP [field:T26]', async (t) => {
  const seen: unknown[] = []
  const note = async ({ url, mcpCall }: { url: string, mcpCall: unknown }) => {
    if (url === '/a') seen.push(mcpCall)
  }
  const { clients, origin } = await startTools(t, (app) => {
    app.addHook('onRequest', note)
    app.addHook('onResponse', note)
    app.get('/a', { schema: named('get_a') }, async ({ mcpCall }) => ({ mcpCall }))
  })
  for (const { call } of clients) {
    assert.equal(textOf(await call('get_a')), '{"mcpCall":{"tool":"get_a"}}')
  }
  assert.equal(await (await sendRequest(`${origin}/a`)).text(), '{"mcpCall":null}')
  const own = { tool: 'get_a' }
  assert.deepEqual(seen, [own, own, own, own, null, null])
})

test('a call whose path belongs to no tool, or is too long for the router, says so', async (t) => {
  const { clients } = await startTools(t, (app) => {
    app.get('/a/:id', { schema: named('get_a') }, async () => 'ok')
    app.get('/a/other', { config: { mcp: false } }, async () => 'other')
  })
  for (const { call } of clients) {
    assert.equal(textOf(await call('get_a', { id: 'x'.repeat(100) })), 'ok')
    const other = await call('get_a', { id: 'other' })
    assert.equal(other.isError, true)
    assert.equal(textOf(other), 'The path belongs to another route, or to none.')
    const long = await call('get_a', { id: 'x'.repeat(101) })
    assert.equal(long.isError, true)
    // Newer releases of Fastify answer themselves.
    assert.match(textOf(long), /^HTTP 414: .* max param length|or to none\.$/)
  }
})

test('request.mcpProgress reaches a client that asks for it, in both eras', async (t) => {
  const { clients, origin } = await startTools(t, (app) => {
    app.post('/work', { schema: named('work') }, async (request) => {
      request.mcpProgress(1, 3, 'begun')
      for (const done of [NaN, Infinity, 0, 1, '5']) request.mcpProgress(done as number, 3)
      request.mcpProgress(2, NaN, 5 as never)
      await sleep(1)
      request.mcpProgress(3)
      return 'done'
    })
  })
  for (const { era, call } of clients) {
    const received: object[] = []
    const result = await call('work', {}, {
      onprogress: (progress) => received.push({ ...progress })
    })
    assert.equal(textOf(result), 'done', era)
    assert.deepEqual(received, [
      { progress: 1, total: 3, message: 'begun' },
      { progress: 2 },
      { progress: 3 }
    ], era)
    assert.equal(textOf(await call('work')), 'done')
  }
  assert.equal(await (await sendRequest(`${origin}/work`, { method: 'POST' })).text(), 'done')
})

test('a cancelled tools/call aborts request.signal, also of a route that read its body, in both eras', async (t) => {
  const running: Array<() => void> = []
  const aborted: string[] = []
  const wait = (name: string) => async (request: { signal: AbortSignal }) => {
    running.shift()?.()
    await once(request.signal, 'abort')
    aborted.push(name)
  }
  const body = { type: 'object', properties: { a: { type: 'string' } } }
  const { clients } = await startTools(t, (app) => {
    app.addHook('onRequestAbort', async ({ url }) => {
      aborted.push(`hook ${url}`)
    })
    app.get('/get', { schema: named('get') }, wait('get'))
    app.post('/post', { schema: named('post', { body }) }, wait('post'))
    app.get('/stream', { schema: named('stream') }, async () => {
      const stream = new Readable({ read () {} })
      stream.push('begin')
      stream.once('close', () => aborted.push('stream'))
      running.shift()?.()
      return stream
    })
  })
  for (const { call } of clients) {
    for (const name of ['get', 'post', 'stream']) {
      const cancel = new AbortController()
      const started = new Promise<void>(resolve => running.push(resolve))
      const waiting = assert.rejects(
        call(name, name === 'post' ? { a: 'b' } : {}, { signal: cancel.signal })
      )
      await started
      cancel.abort()
      await waiting
      while (!aborted.includes(name) || !aborted.includes(`hook /${name}`)) await sleep(5)
      aborted.length = 0
    }
  }
})

test('a tools/call whose client disconnects aborts request.signal, also with auth: false', async (t) => {
  let begun = () => {}
  const aborted: string[] = []
  const app = Fastify({ forceCloseConnections: true })
  t.after(() => app.close())
  await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
  app.get('/silent', { schema: named('silent') }, async ({ signal }) => {
    begun()
    await once(signal, 'abort')
    aborted.push('silent')
  })
  app.get('/endless', { schema: named('endless') }, async ({ signal }) => {
    signal.addEventListener('abort', () => aborted.push('endless'))
    begun()
    return new Readable({ read () {} })
  })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`
  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    for (const name of ['silent', 'endless']) {
      const client = new AbortController()
      const running = new Promise<void>(resolve => {
        begun = resolve
      })
      const init = rpc(revision, 'tools/call', { name, arguments: {} })
      const sent = assert.rejects(sendRequest(url, { ...init, signal: client.signal }))
      await running
      client.abort()
      await sent
      while (aborted.shift() !== name) await sleep(5)
    }
  }
})

test('tools/call names an unknown tool, and the form of a file', async (t) => {
  const body = { type: 'object', properties: { file: { type: 'object' } } }
  const { clients } = await startTools(t, async (app) => {
    await app.register(multipart, { attachFieldsToBody: true })
    app.post(
      '/upload',
      { schema: named('upload', { consumes: ['multipart/form-data'], body }) },
      async () => 'x'
    )
  })
  for (const { call } of clients) {
    await assert.rejects(call(`no"${'x'.repeat(300)}`), /Unknown tool: "no\\"x{196}/)
    assert.match(
      textOf(await call('upload', { file: 'text' })),
      /"file" must be a file: \{ filename, mediaType, data \}, with data in base64/
    )
  }
})

test('tools/call uploads a file to a route that declares it as an object without properties [field:T12]', async (t) => {
  const schema = {
    operationId: 'upload',
    consumes: ['multipart/form-data'],
    body: {
      type: 'object',
      required: ['file'],
      properties: { file: { type: 'object' }, note: { type: 'string' } }
    }
  }
  const { clients } = await startTools(t, async (app) => {
    await app.register(multipart, { attachFieldsToBody: 'keyValues' })
    app.post('/upload', { schema: schema as object }, async ({ body }) => {
      const { file, note } = body as { file: Buffer, note: string }
      return `${note}: ${file.toString()}`
    })
  })
  for (const { call } of clients) {
    const result = await call('upload', { file: { data: 'aGk=' }, note: 'new' })
    assert.equal(textOf(result), 'new: hi')
  }
})
