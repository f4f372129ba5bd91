import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { closingResponse } from '../../lib/mcp/rpc/closing.ts'
import { disconnectedResponse } from '../../lib/mcp/rpc/messages.ts'
import { createPendingResponse } from '../../lib/mcp/servers/pending-response.ts'

const options = { expected: 1, batch: false, streams: true, onEnd: () => {} }

test('createPendingResponse drops notifications for a slow reader, but never the reply', async () => {
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

test('createPendingResponse streams the replies that precede the first notification', async () => {
  const pending = createPendingResponse({ ...options, expected: 2, batch: true })
  pending.reply({ id: 1 })
  pending.notify({ method: 'n' })
  pending.reply({ id: 2 })
  pending.reply({ id: 3 })
  const { body } = await pending.response
  assert.ok(body instanceof Readable)
  assert.deepEqual((await text(body)).match(/\{.*\}/g), ['{"id":1}', '{"method":"n"}', '{"id":2}'])
})

test('createPendingResponse sends nothing after a disconnect [HT-20]', async () => {
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
  pending.end(disconnectedResponse)
  pending.notify({ method: 'n' })
  pending.reply({ id: 1 })
  pending.end(closingResponse(null))
  assert.equal(body.destroyed, true)
  assert.equal(ends, 1)
})

test('createPendingResponse responds 503 when the server closes', async () => {
  const pending = createPendingResponse(options)
  pending.end(closingResponse(null))
  assert.equal((await pending.response).status, 503)
})

test('createPendingResponse replaces a result that JSON cannot hold by an error', async () => {
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
