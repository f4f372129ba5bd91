import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/types.ts'
import { startFlow } from '../support/flow.ts'
import { withCircuitBreaker } from '../../lib/store/circuit-breaker.ts'

const down = {
  kind: 'storeUnavailable',
  statusCode: 503,
  message: 'The server cannot process this request at the moment.'
}

/** A store whose reads or writes fail on demand, with the names of the methods called. */
function unreliable (): {
  store: Store
  calls: string[]
  fail: { reads?: boolean, writes?: boolean }
} {
  const memory = memoryStore()
  const calls: string[] = []
  const fail: { reads?: boolean, writes?: boolean } = {}
  const attempt = <T>(
    name: string,
    fails: boolean | undefined,
    operation: () => Promise<T>
  ): Promise<T> => {
    calls.push(name)
    if (fails) throw new Error('BUSY')
    return operation()
  }
  return {
    calls,
    fail,
    store: {
      get: key => attempt('get', fail.reads, () => memory.get(key)),
      put: (key, value, ttl) => attempt('put', fail.writes, () => memory.put(key, value, ttl)),
      putIfAbsent: (key, value, ttl) =>
        attempt('putIfAbsent', fail.writes, () => memory.putIfAbsent(key, value, ttl))
    }
  }
}

const faults: Record<string, () => Promise<never>> = {
  rejects: async () => {
    throw new Error('READONLY')
  },
  throws: () => {
    throw new Error('at once')
  },
  hangs: () => new Promise(() => {})
}

for (const [fault, operation] of Object.entries(faults)) {
  test(`every method of a store that ${fault} rejects with storeUnavailable [F-13 F-15]`, async () => {
    const store = withCircuitBreaker({
      get: operation,
      put: operation,
      putIfAbsent: operation,
      warnings: operation
    })
    await Promise.all(
      [
        () => store.get('x'),
        () => store.put('x', 'y', 60),
        () => store.putIfAbsent('x', 'y', 60),
        () => store.warnings?.()
      ].map(attempt => assert.rejects(async () => await attempt(), down))
    )
  })
}

test('the circuit breaker sends one probe a second after five failures in a row [F-15]', async () => {
  const { store, calls, fail } = unreliable()
  const protectedStore = withCircuitBreaker(store)
  fail.writes = true
  const successes = async () =>
    (await Promise.allSettled(
      Array.from({ length: 50 }, () => protectedStore.put('key', 'value', 60))
    )).filter(({ status }) => status === 'fulfilled').length
  for (let failures = 0; failures < 5; failures++) {
    await assert.rejects(protectedStore.putIfAbsent('key', 'value', 60), down)
  }
  assert.equal(calls.length, 5)
  for (const [pause, expected] of [[0, 6], [0, 6], [1_050, 7]] as const) {
    await sleep(pause)
    assert.equal(await successes(), 0)
    assert.equal(calls.length, expected, 'one of fifty operations sends a probe')
  }
  fail.writes = false
  await assert.rejects(protectedStore.put('key', 'value', 60), down, 'not yet')
  await sleep(1_050)
  await protectedStore.put('key', 'value', 60)
  assert.equal(await successes(), 50)
})

test('the circuit breaker lets operations pass that arrive while its probe succeeds [F-15]', async () => {
  const { store: own, fail } = unreliable()
  const store = withCircuitBreaker(own)
  fail.reads = true
  for (let count = 0; count < 5; count++) await assert.rejects(store.get('a'), down)
  await sleep(1_050)
  fail.reads = false
  assert.deepEqual(await Promise.all([store.get('a'), store.get('b'), store.get('c')]), [
    null,
    null,
    null
  ])
})

test('the circuit breaker closes although a caller requests only keys of an unavailable server [F-13]', async () => {
  const memory = memoryStore()
  const probes: string[] = []
  const protectedStore = withCircuitBreaker({
    ...memory,
    get: async (key) => {
      if (key === 'unavailable') throw new Error('down')
      if (key !== 'available') {
        probes.push(key)
        // The first random key happens to belong to the unavailable server, too.
        if (probes.length === 1) throw new Error('down')
      }
      return await memory.get(key)
    }
  })
  const attack = async () => {
    for (let index = 0; index < 20; index++) {
      await assert.rejects(protectedStore.get('unavailable'), down)
    }
  }
  await attack()
  let successes = 0
  for (let second = 0; second < 4; second++) {
    await sleep(1_050)
    await attack()
    successes += await protectedStore.get('available').then(() => 1, () => 0)
  }
  assert.ok(successes >= 3, String(successes))
  assert.equal(new Set(probes).size, probes.length, 'callers cannot predict the key of a probe')
})

test('the circuit breaker serves reads while writes fail, and ignores occasional failures [F-15]', async () => {
  const { store, calls, fail } = unreliable()
  const protectedStore = withCircuitBreaker(store)
  fail.writes = true
  for (let index = 0; index < 10; index++) {
    await assert.rejects(protectedStore.put('key', 'value', 60), down)
  }
  assert.deepEqual(calls, Array(6).fill('put'))
  for (let index = 0; index < 10; index++) assert.equal(await protectedStore.get('key'), null)
  for (let index = 0; index < 20; index++) {
    fail.reads = index % 5 !== 0
    if (fail.reads) await assert.rejects(protectedStore.get('key'), down)
    else await protectedStore.get('key')
  }
  assert.equal(calls.filter(name => name === 'get').length, 30)
})

test('withCircuitBreaker accepts an instance of a class without warnings()', async () => {
  class MapStore implements Store {
    #values = new Map<string, string>()
    async get (key: string) {
      return this.#values.get(key) ?? null
    }

    async put (key: string, value: string) {
      this.#values.set(key, value)
    }

    async putIfAbsent (key: string, value: string) {
      const before = await this.get(key)
      if (before === null) await this.put(key, value)
      return before
    }
  }
  const store = withCircuitBreaker(new MapStore())
  assert.equal(await store.putIfAbsent('a', '1', 60), null)
  assert.deepEqual([await store.get('a'), await store.warnings?.()], ['1', []])
})

test('a store whose command takes long is one warning, and works on', async (t) => {
  const memory = memoryStore()
  let delay = 0
  const store: Store = {
    ...memory,
    async putIfAbsent (...entry) {
      await sleep(delay)
      return await memory.putIfAbsent(...entry)
    }
  }
  const flow = await startFlow(t, { options: { store } })
  const warnings = () => flow.logs.filter(line => line.includes('of the store took long'))
  const id = await flow.register()
  await flow.tokens(id)
  assert.deepEqual(warnings(), [])
  let isBusy = true
  store.get = async (...given) => {
    const end = performance.now() + (isBusy ? 600 : 0)
    isBusy = false
    while (performance.now() < end);
    return await memory.get(...given)
  }
  await flow.tokens(id)
  assert.deepEqual(warnings(), [], 'a busy app')
  delay = 500
  await flow.tokens(id)
  const [warning = '', ...others] = warnings()
  assert.deepEqual(others, [])
  const { ms, level } = JSON.parse(warning)
  assert.ok(ms >= 499 && level === 40)
})
