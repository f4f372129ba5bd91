import assert from 'node:assert/strict'
import { test } from 'node:test'
import { post, toolCall } from './route.ts'
import { startTools } from './tool-app.ts'

// A call of a route skips the SDK, unless it is in a batch. Its result must have the same bytes.

const object = { type: 'object', additionalProperties: true }

test('tools/call of a route gets the bytes that the SDK writes [HT-24]', async (t) => {
  const { app, names } = await startTools(t, (app) => {
    app.post('/echo', {
      schema: {
        operationId: 'echo',
        body: { ...object, properties: { status: {}, more: {} } }
      } as object
    }, async ({ body }, reply) => {
      const { status = 200, more, text } = body as { status: number, more: unknown, text: string }
      return reply.code(status).send(text ?? more)
    })
    app.get('/typed/:n', {
      schema: { operationId: 'typed', response: { 200: object } } as object
    }, async ({ params }, reply) => {
      const { n } = params as { n: string }
      const texts = [
        '{"b":1,"a":[null,{"c":"\u00fc"}]}',
        '{"__proto__":{"x":1},"a":{"__proto__":2}}',
        '[1]',
        'x',
        ''
      ]
      return reply.type('application/json').serializer(String).send(texts[Number(n)])
    })
    app.get(
      '/binary/:type',
      { schema: { operationId: 'binary' } as object },
      async ({ params }, reply) =>
        reply.type(`${(params as { type: string }).type}/x`).send(Buffer.from([0, 255]))
    )
    app.get('/progress', { schema: { operationId: 'progress' } as object }, async (request) => {
      request.mcpProgress(1, 2, 'half')
      return 'done'
    })
  })
  assert.equal(names.length, 4)
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`
  const calls: Array<[string, object]> = [
    ...[{ text: 'x' }, { text: '' }, { more: { a: 1 } }, { status: 400, more: { message: 'no' } }, {
      status: 503
    }, { status: 204 }].map((args): [string, object] => ['echo', args]),
    ...[0, 1, 2, 3, 4].map((n): [string, object] => ['typed', { n: String(n) }]),
    ...['image', 'audio', 'application'].map((type): [string, object] => ['binary', { type }]),
    ['typed', {}],
    ['typed', { n: '1', unknown: 1 }],
    ['progress', {}],
    ['unknown', {}]
  ]
  for (const [name, args] of calls) {
    for (const meta of [{}, { _meta: { progressToken: 'p', own: 1 } }]) {
      const call = toolCall('a', name, args, meta)
      const alone = await (await post(url, call)).text()
      const together = await (await post(url, [call, { jsonrpc: '2.0', id: 1, method: 'ping' }]))
        .text()
      for (const line of alone.split('\n')) {
        assert.ok(together.includes(line), `${name}: ${line}, ${together}`)
      }
    }
  }
})
