import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import {
  type InProcessCall,
  type MarkedConfig,
  injectTokenHeader,
  injectTokensOf,
  routeMark
} from '../../lib/mcp/tools/in-process.ts'
import { Cancellation } from '../../lib/util/cancellation.ts'

const call: InProcessCall = {
  tool: 'tool',
  headers: {},
  remoteAddress: '127.0.0.1',
  mark: 'mark',
  cancellation: new Cancellation()
}
const config: MarkedConfig = { [routeMark]: 'mark' }
const nameOf = async ({ mcpCall }: FastifyRequest) => mcpCall?.tool ?? 'none'

function start (t: TestContext, before: (app: FastifyInstance) => unknown = () => {}) {
  const app = Fastify()
  t.after(() => app.close())
  before(app)
  const tokens = injectTokensOf(app)
  tokens.receive()
  app.get('/tool', { config }, nameOf)
  app.get('/other', nameOf)
  return { app, tokens }
}

const withToken = (token: unknown, url = '/tool') => ({
  url,
  headers: { [injectTokenHeader]: String(token) }
})

test('an inject token is valid once, even before its call has ended [EX-04]', async (t) => {
  const { app, tokens } = start(t)
  await tokens.run(call, async (token) => {
    assert.equal((await app.inject(withToken(token))).body, 'tool')
    assert.equal((await app.inject(withToken(token))).body, 'none')
  })
})

test('an inject token of a call that ended before it arrived is unknown [EX-04]', async (t) => {
  const { app, tokens } = start(t)
  const token = await tokens.run(call, async (token) => token)
  assert.equal((await app.inject(withToken(token))).body, 'none')
})

test('a request with an unknown inject token continues without it [field:A2]', async (t) => {
  const { app } = start(t)
  app.get('/headers', async ({ headers }) => headers)
  const { statusCode, headers, body } = await app.inject(withToken('made-up', '/headers'))
  assert.deepEqual([statusCode, headers['cache-control']], [200, undefined])
  assert.doesNotMatch(body, /made-up/)
})

test('an in-process call that the router takes to another route is refused, for no cache [field:A2]', async (t) => {
  const { app, tokens } = start(t)
  for (const url of ['/other', '/unknown']) {
    const { statusCode, headers } = await tokens.run(
      { ...call },
      (token) => app.inject(withToken(token, url))
    )
    assert.deepEqual([statusCode, headers['cache-control']], [404, 'no-store'])
  }
})

test('request.mcpCall is known to hooks that are older than the plugin, and null elsewhere [field:T26]', async (t) => {
  const seen: unknown[] = []
  const { app, tokens } = start(t, (app) => {
    app.addHook('onRequest', async (request) => {
      seen.push(request.mcpCall, request.mcpCall)
    })
    app.register(async (scope) => {
      scope.get('/older', nameOf)
    })
  })
  assert.equal(
    (await tokens.run({ ...call }, (token) => app.inject(withToken(token)))).body,
    'tool'
  )
  assert.equal(
    (await tokens.run({ ...call }, (token) => app.inject(withToken(token, '/other')))).statusCode,
    404
  )
  assert.equal((await app.inject(withToken('made-up', '/older'))).body, 'none')
  assert.equal((await app.inject('/tool')).body, 'none')
  const own = { tool: 'tool' }
  assert.deepEqual(seen, [own, own, null, null, null, null, null, null])
})

test('request.mcpProgress has no effect on other requests', async (t) => {
  const { app } = start(t)
  app.get('/progress', async (request) => {
    request.mcpProgress(1, 2, 'half')
    return 'done'
  })
  assert.equal((await app.inject('/progress')).body, 'done')
})
