import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCondition } from '../../lib/http/condition.ts'
import type { McpOAuthEvent } from '../../lib/index.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { redeem, startFlow } from '../support/flow.ts'
import { failing } from '../support/stores.ts'

test('a condition is told of once when it fails, and once when it works again', async () => {
  let time = 0
  const told: unknown[] = []
  const condition = createCondition(error => error !== 'refusal', {
    failed: reason => told.push(reason),
    recovered: ms => told.push(ms)
  }, () => time)
  const run = (outcome: unknown) =>
    condition.watch(async () => {
      if (outcome) throw outcome
    }).catch(() => {})
  assert.equal(condition.health().status, 'unknown')
  await run(null)
  assert.equal(condition.health().status, 'ok')
  for (time = 1000; time < 1500; time++) await run(new Error('down'))
  await run(null)
  assert.equal(condition.health().status, 'failing', 'one success among failures')
  time = 70_000
  await run(new Error('other'))
  time = 71_000
  await run('refusal')
  assert.deepEqual(condition.health(), {
    status: 'ok',
    since: 71_000,
    lastError: { reason: 'other', at: 70_000 }
  })
  for (let index = 0; index < 9; index++) await run(new Error(`reason ${index}`))
  assert.deepEqual(told, ['down', 'other', 70_000, ...[0, 1, 2, 3, 4].map(at => `reason ${at}`)])
})

test('a store that fails is one error line without stacks, whatever comes, and one line when it is back', async (t) => {
  let isDown = false
  const store = failing(memoryStore(), () => isDown, 'connect ECONNREFUSED 127.0.0.1:6379')
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, {
    options: {
      store,
      onEvent: event => events.push(event)
    }
  })
  const clientId = await flow.register()
  const { refresh_token: refreshToken } = await flow.tokens(clientId)
  const refresh = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId }
  const { health } = flow.instances[0]!.app.mcpOAuth
  assert.equal((await health()).store?.status, 'ok')
  const before = flow.logs.length
  isDown = true
  for (let index = 0; index < 30; index++) assert.equal((await flow.token(refresh)).status, 503)
  const down = await health()
  assert.equal(down.store?.status, 'failing')
  assert.match(String(down.store?.lastError?.reason), /ECONNREFUSED/)
  const lines = flow.logs.slice(before).map(line => JSON.parse(line))
  assert.deepEqual(lines.filter(({ level }) => level >= 40).map(({ event }) => event), [
    'store.failed'
  ])
  assert.ok(!flow.logs.slice(before).some(line => line.includes('"stack"')), 'a stack')
  isDown = false
  while ((await health()).store?.status !== 'ok') {
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  assert.equal((await flow.token(refresh)).status, 200)
  const told = events.filter(({ type }) => type.startsWith('store.')).map(({ type }) => type)
  assert.deepEqual(told, ['store.failed', 'store.recovered'])
})

test('a provider that fails is in the health, and one error line without stacks', async (t) => {
  const flow = await startFlow(t)
  const { health } = flow.instances[0]!.app.mcpOAuth
  const clientId = await flow.register()
  const { refresh_token: refreshToken } = await flow.tokens(clientId)
  assert.equal((await health()).provider?.status, 'ok')
  const before = flow.logs.length
  await flow.provider.close()
  const refresh = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId }
  for (let index = 0; index < 3; index++) assert.equal((await flow.token(refresh)).status, 503)
  const { provider, store, keys } = await health()
  assert.deepEqual([store, keys], [null, null])
  assert.equal(provider?.status, 'failing')
  assert.match(String(provider.lastError?.reason), /ECONNREFUSED/)
  const lines = flow.logs.slice(before).map(line => JSON.parse(line))
  assert.deepEqual(lines.filter(({ level }) => level >= 40).map(({ event }) => event), [
    'provider.failed'
  ])
  assert.ok(!flow.logs.slice(before).some(line => line.includes('"stack"')), 'a stack')
})

test('the start is one line with the URLs, the redirect URI to register and the scopes', async (t) => {
  const flow = await startFlow(t, { options: { requiredScopes: ['mcp:read'] } })
  await new Promise(resolve => setImmediate(resolve))
  const [line, ...more] = flow.logs.map(line => JSON.parse(line)).filter(({ msg }) =>
    /^MCP is served at/.test(msg)
  )
  assert.deepEqual(more, [])
  assert.match(
    line.msg,
    /Register https:\/\/mcp\.example\.com\/oauth\/callback there as redirect URI/
  )
  assert.ok(line.scopes.includes('mcp:read'))
  assert.equal(line.store, 'memory')
})

test('a store whose errors have numeric codes fails with one event, and in the health', async (t) => {
  const memory = memoryStore()
  let isDown = false
  const wrap =
    <Given extends unknown[], Result>(run: (...given: Given) => Promise<Result>) =>
    async (...given: Given) => {
      if (isDown) throw Object.assign(new Error('not primary'), { code: 10_107 })
      return await run(...given)
    }
  const store = {
    get: wrap(memory.get),
    put: wrap(memory.put),
    putIfAbsent: wrap(memory.putIfAbsent)
  }
  const events: McpOAuthEvent[] = []
  const flow = await startFlow(t, { options: { store, onEvent: event => events.push(event) } })
  const id = await flow.register()
  const code = await flow.login(id)
  isDown = true
  assert.equal((await flow.token(redeem(id, code))).status, 503)
  const failures = events.filter(({ type }) => type === 'store.failed')
  assert.deepEqual(failures.map(event => Object(event).reason), ['not primary (10107)'])
  assert.equal((await flow.app.mcpOAuth.health()).store?.status, 'failing')
})
