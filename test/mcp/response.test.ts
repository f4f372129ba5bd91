import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createPendingResponse } from '../../lib/mcp/servers/response.ts'

const options = { expected: 1, batch: false, streams: true, onEnd: () => {} }

test('a client that reads slowly loses notifications, never the reply', async () => {
  const pending = createPendingResponse(options)
  for (let count = 0; count < 3_000; count++) pending.notify({ pad: 'x'.repeat(1_000) })
  const { body } = await pending.response
  assert.ok(body instanceof Readable)
  assert.ok(body.readableLength < 3 * 1024 * 1024)
  pending.reply({ id: 1, result: 'all' })
  const read = await text(body)
  const count = read.split('\n\n').length
  assert.ok(count > 500 && count < 2_500, `${count}`)
  assert.match(read, /data: \{"id":1,"result":"all"\}\n\n$/)
})

test('replies given before the answer becomes a stream are in it', async () => {
  const pending = createPendingResponse({ ...options, expected: 2, batch: true })
  pending.reply({ id: 1 })
  pending.notify({ method: 'n' })
  pending.reply({ id: 2 })
  pending.reply({ id: 3 })
  const { body } = await pending.response
  assert.ok(body instanceof Readable)
  assert.deepEqual((await text(body)).match(/\{.*\}/g), ['{"id":1}', '{"method":"n"}', '{"id":2}'])
})

test('nothing is said to a client that has gone [HT-20]', async () => {
  let ends = 0
  const pending = createPendingResponse({
    ...options,
    onEnd: () => {
      ends++
    }
  })
  pending.notify({ method: 'n' })
  const { body } = await pending.response
  assert.ok(body instanceof Readable)
  pending.end('disconnected')
  pending.notify({ method: 'n' })
  pending.reply({ id: 1 })
  pending.end('closing')
  assert.equal(body.destroyed, true)
  assert.equal(ends, 1)
})

test('a closing server says so', async () => {
  const pending = createPendingResponse(options)
  pending.end('closing')
  assert.equal((await pending.response).status, 503)
})

test('a result JSON cannot hold is an error, and those beside it arrive', async () => {
  for (const streams of [false, true]) {
    const pending = createPendingResponse({ ...options, expected: 2, batch: true, streams })
    pending.notify({ method: 'n' })
    pending.reply({ id: 1, result: { n: 1n } })
    pending.reply({ id: 2, result: {} })
    const { body } = await pending.response
    const read = body instanceof Readable ? await text(body) : String(body)
    assert.match(read, /\{"jsonrpc":"2\.0","id":1,"error":\{"code":-32603/)
    assert.match(read, /\{"id":2,"result":\{\}\}/)
  }
})
