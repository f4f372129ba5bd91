import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { RpcMessage } from '../../lib/mcp/rpc/messages.ts'
import { mapMessages } from '../../lib/mcp/rpc/responses.ts'

const json = { 'content-type': 'application/json' }
const stream = { 'content-type': 'text/event-stream' }
const same = (message: RpcMessage) => message
const marked = (message: RpcMessage) => message.id === 2 ? { ...message, seen: true } : message

test('mapMessages replaces messages in JSON, and keeps all other bytes', async () => {
  const body = '{ "id": 1,  "result": {} }'
  assert.equal((await mapMessages({ status: 200, headers: json, body }, marked)).body, body)
  assert.equal(
    (await mapMessages({ status: 200, headers: json, body: '{"id":2}' }, marked)).body,
    '{"id":2,"seen":true}'
  )
  assert.equal(
    (await mapMessages({ status: 200, headers: json, body: '[{"id":1},{"id":2},3]' }, marked)).body,
    '[{"id":1},{"id":2,"seen":true},3]'
  )
  for (const text of ['', 'no JSON', '1', 'null', '"x"']) {
    assert.equal((await mapMessages({ status: 200, headers: json, body: text }, marked)).body, text)
  }
  assert.equal((await mapMessages({ status: 202, headers: {}, body: null }, marked)).body, null)
})

const events =
  'event: message\nid: a\ndata: {"id":1}\n\n: a comment\n\ndata: {"id":\ndata: 2}\n\n' +
  'retry: 5\r\ndata: {"id":2}\r\n\r\ndata: no JSON\n\ndata: {"é":1}\n\ndata: {"id":2}'
const mappedEvents =
  'event: message\nid: a\ndata: {"id":1}\n\n: a comment\n\ndata: {"id":2,"seen":true}\n\n' +
  'retry: 5\ndata: {"id":2,"seen":true}\n\ndata: no JSON\n\ndata: {"é":1}\n\n' +
  'data: {"id":2,"seen":true}\n\n'

test('mapMessages replaces events one by one, wherever chunks end, in Node.js and web streams', async () => {
  const bytes = Buffer.from(events)
  for (let size = 1; size < bytes.length; size += 3) {
    const chunks = Array.from(
      { length: Math.ceil(bytes.length / size) },
      (_, index) => bytes.subarray(index * size, (index + 1) * size)
    )
    for (
      const body of [
        Readable.from(chunks),
        Readable.fromWeb(Readable.toWeb(Readable.from(chunks)) as never)
      ]
    ) {
      const response = await mapMessages({ status: 200, headers: stream, body }, marked)
      assert.equal(await text(response.body as Readable), mappedEvents)
    }
  }
  assert.equal(
    await text(
      (await mapMessages({ status: 200, headers: stream, body: Readable.from([events]) }, same))
        .body as Readable
    ),
    events
  )
})

test('mapMessages passes an event on as soon as it is complete, and ends the source with its reader', async () => {
  const source = new PassThrough()
  const body = (await mapMessages({ status: 200, headers: stream, body: source }, marked))
    .body as Readable
  source.write('data: {"id":2}\n\ndata: {"id"')
  const [first] = await once(body, 'data') as [Buffer]
  assert.equal(String(first), 'data: {"id":2,"seen":true}\n\n')
  const closed = new Promise<void>(resolve => {
    source.once('close', resolve)
  })
  body.destroy()
  await closed
})

test('mapMessages reads an event of many megabytes in many pieces in linear time [G-15]', async () => {
  const size = 8_000_000
  const piece = Buffer.from('x'.repeat(16_384))
  const pieces = [
    Buffer.from('data: {"id":2,"text":"'),
    ...Array.from({ length: Math.ceil(size / piece.length) }, () => piece),
    Buffer.from('"}\n\n')
  ]
  const mapped = await text(
    (await mapMessages({ status: 200, headers: stream, body: Readable.from(pieces) }, marked))
      .body as Readable
  )
  assert.ok(mapped.length > size && mapped.endsWith(',"seen":true}\n\n'))
})
