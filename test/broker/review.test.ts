import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import { memoryStore } from '../../lib/broker/store/memory.ts'
import { redisStore } from '../../lib/broker/store/redis.ts'
import { everywhere } from '../support/everywhere.ts'
import { openBrowser, redeem, renew, secret, signIn, startFlow } from '../support/flow.ts'
import { connect, skip, startRedis } from '../support/redis.ts'

const next = 'another secret that is long enough to be one'
const complaint = /last used with a secret that is not given here/

everywhere('F-20 F-21 instances with different secrets by mistake are told at the start; while a secret is replaced nobody complains', async ({ startFlow }) => {
  const flow = await startFlow({ instances: 2, wrap: store => store })
  for (const [secrets, complains] of [[secret, false], [[next, secret], false], [[secret, next], false], [next, true]] as const) {
    flow.logs.length = 0
    await flow.another({ secret: secrets as string })
    assert.equal(complaint.test(flow.logs.join('')), complains, String(secrets))
  }
})

test('F-13 F-20 a store that is down at the start is in the log, and the app starts', async (t) => {
  const down = async () => { throw new Error('down') }
  const flow = await startFlow(t, { options: { store: { putIfAbsent: down, get: down, put: down } } })
  assert.match(flow.logs.join(''), /the store could not be looked at/)
})

test('S-08 a Redis that forgets what it was told when its memory is full is named at the start', { skip }, async (t) => {
  const { port } = await startRedis(t)
  const client = await connect(t, port)
  const store = redisStore(client)
  for (const [policy, warns] of [['noeviction', false], ['volatile-ttl', false], ['allkeys-lru', true]] as const) {
    await client.config('SET', 'maxmemory-policy', policy)
    const flow = await startFlow(t, { options: { store } })
    assert.equal(/maxmemory-policy allkeys-lru/.test(flow.logs.join('')), warns, policy)
  }
})

test('S-09 a Redis at another host without TLS is named at the start', async () => {
  const client = (options: object) => ({ get: async () => null, set: async () => null as never, options })
  const warnings = async (options: object) => (await redisStore(client(options)).warnings?.())?.length
  assert.equal(await warnings({ host: 'redis.example' }), 1)
  for (const fine of [{ host: 'redis.example', tls: {} }, { host: '127.0.0.1' }, { host: 'localhost' }, { host: 'redis.example', path: '/run/redis.sock' }, {}]) assert.equal(await warnings(fine), 0)
})

test('F-33 a clock that is years behind is named at the start', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2019, 5) })
  const flow = await startFlow(t)
  assert.match(flow.logs.join(''), /the clock of this machine is years behind/)
})

everywhere('F-25 an app that stands still for two seconds in the middle of a login expires nothing, and does nothing twice', async ({ startFlow }) => {
  const flow = await startFlow()
  const id = await flow.register()
  const stall = () => {
    const end = performance.now() + 2_000
    while (performance.now() < end);
  }
  const browser = openBrowser()
  const request = await flow.form(browser, flow.asked(id))
  setImmediate(stall)
  const approved = await browser.post(flow, '/oauth/consent', { request, action: 'approve' })
  assert.equal(approved.status, 303)
  const back = await browser.get(flow, `/oauth/callback?${await signIn(approved.location as URL)}`)
  setImmediate(stall)
  const tokens = await flow.token(redeem(id, back.location?.searchParams.get('code') ?? ''))
  assert.equal(tokens.status, 200, tokens.text)
  assert.equal(flow.upstream.count('/token'), 1)
  assert.equal((await flow.token(renew(id, tokens.json()['refresh_token']))).status, 200)
}, { inTurn: true })

test('F-26 F-34 D11 R-22 a flood of registrations and pages leaves nothing in the store', async (t) => {
  const memory = memoryStore()
  let writes = 0
  const count = <A extends unknown[], R>(operation: (...args: A) => R) => (...args: A): R => { writes++; return operation(...args) }
  const flow = await startFlow(t, { options: { store: { ...memory, put: count(memory.put), putIfAbsent: count(memory.putIfAbsent) } }, app: async (): Promise<FastifyInstance> => Fastify() })
  const before = writes
  const body = { redirect_uris: ['http://127.0.0.1/cb'], client_name: 'x'.repeat(100) }
  for (let index = 0; index < 2_000; index++) {
    const { statusCode } = await flow.app.inject({ method: 'POST', url: '/oauth/register', payload: body })
    assert.equal(statusCode, 201)
  }
  assert.equal(writes, before)
  assert.ok(await flow.tokens(await flow.register()))
})
