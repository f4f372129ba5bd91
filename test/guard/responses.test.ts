import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'

type Dependency = NonNullable<McpOAuthOptions['dependencies']>[number]

/** An app whose hooks take time, with one guarded route; `runs` counts the calls of its handler. */
async function startApp (
  t: TestContext,
  dependency: Dependency,
  prepare: (app: FastifyInstance) => void
) {
  const app = Fastify()
  t.after(() => app.close())
  prepare(app)
  await app.register(mcpOAuth, { dependencies: [dependency] })
  const counter = { runs: 0 }
  app.get('/own', { onRequest: app.requireMcpAuth() }, async () => {
    counter.runs++
    return 'secret'
  })
  return { app, counter }
}

test('requireMcpAuth() runs no route after a dependency sent an error to a slow error handler', async (t) => {
  const { app, counter } = await startApp(t, async (_request, reply) => {
    reply.send(Object.assign(new Error('no'), { statusCode: 401 }))
  }, app => {
    app.setErrorHandler(async (_error, _request, reply) => {
      await sleep(20)
      return reply.code(401).send('refused')
    })
  })
  const { statusCode, body } = await app.inject('/own')
  assert.deepEqual([statusCode, body, counter.runs], [401, 'refused', 0])
})

test('requireMcpAuth() runs no route after a dependency responded under a slow onSend hook', async (t) => {
  const { app, counter } = await startApp(t, async (_request, reply) => {
    reply.send({ error: 'blocked' })
  }, app => {
    app.addHook('onSend', async () => {
      await sleep(20)
    })
  })
  const { body } = await app.inject('/own')
  assert.deepEqual([body, counter.runs], ['{"error":"blocked"}', 0])
})

test('requireMcpAuth() survives a dependency that sends an error under a slow onError hook', async (t) => {
  const { app, counter } = await startApp(t, async (_request, reply) => {
    reply.send(new Error('no'))
  }, app => {
    app.addHook('onError', async () => {
      await sleep(20)
    })
  })
  assert.equal((await app.inject('/own')).statusCode, 500)
  assert.equal((await app.inject('/own')).statusCode, 500)
  assert.equal(counter.runs, 0)
})

test('requireMcpAuth() runs the route after a dependency that only sets a status', async (t) => {
  const { app, counter } = await startApp(t, async (_request, reply) => {
    reply.code(418)
  }, () => {})
  assert.equal((await app.inject('/own')).statusCode, 418)
  assert.equal(counter.runs, 1)
})
