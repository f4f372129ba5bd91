import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/types.ts'
import { withCircuitBreaker } from '../../lib/store/circuit-breaker.ts'

const down = {
  kind: 'storeUnavailable',
  statusCode: 503,
  message: 'The server cannot answer this at the moment.'
}

/** A store whose parts fail when they are told to, and what it was asked. */
function moody (): { store: Store, asked: string[], fail: { reads?: boolean, writes?: boolean } } {
  const memory = memoryStore()
  const asked: string[] = []
  const fail: { reads?: boolean, writes?: boolean } = {}
  const ask = <T>(
    name: string,
    broken: boolean | undefined,
    operation: () => Promise<T>
  ): Promise<T> => {
    asked.push(name)
    if (broken) throw new Error('BUSY')
    return operation()
  }
  return {
    asked,
    fail,
    store: {
      get: key => ask('get', fail.reads, () => memory.get(key)),
      put: (key, value, ttl) => ask('put', fail.writes, () => memory.put(key, value, ttl)),
      putIfAbsent: (key, value, ttl) =>
        ask('putIfAbsent', fail.writes, () => memory.putIfAbsent(key, value, ttl))
    }
  }
}

test('a store that fails, throws or hangs is down, whatever it is asked [F-13 F-15]', async () => {
  for (
    const operation of [async () => {
      throw new Error('READONLY')
    }, () => {
      throw new Error('at once')
    }, () => new Promise(() => {})] as Array<() => Promise<never>>
  ) {
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
      ].map(ask => assert.rejects(async () => await ask(), down))
    )
  }
})

test('a store that has failed five times in a row is asked once a second whether it is back [F-15]', async () => {
  const { store, asked, fail } = moody()
  const steady = withCircuitBreaker(store)
  fail.writes = true
  const round = async () =>
    (await Promise.allSettled(Array.from({ length: 50 }, () => steady.put('key', 'value', 60))))
      .filter(({ status }) => status === 'fulfilled').length
  for (let failures = 0; failures < 5; failures++) {
    await assert.rejects(steady.putIfAbsent('key', 'value', 60), down)
  }
  assert.equal(asked.length, 5)
  for (const [pause, questions] of [[0, 9], [0, 9], [1_050, 13]] as const) {
    await sleep(pause)
    assert.equal(await round(), 0)
    assert.equal(asked.length, questions, 'one of fifty asks, for four keys')
  }
  fail.writes = false
  await assert.rejects(steady.put('key', 'value', 60), down, 'not yet')
  await sleep(1_050)
  await steady.put('key', 'value', 60)
  assert.equal(await round(), 50)
})

test('whoever asks for nothing but keys of the one server of several that is away stops nobody for long [F-13]', async () => {
  const memory = memoryStore()
  // Of three servers one is away, and one key is known to lie there.
  const away = (key: string) =>
    key === 'away' ||
    (key !== 'here' && createHash('sha256').update(key).digest().readUInt32BE() % 3 === 0)
  const steady = withCircuitBreaker({
    ...memory,
    get: async (key) => {
      if (away(key)) throw new Error('down')
      return await memory.get(key)
    }
  })
  const attack = async () => {
    for (let index = 0; index < 20; index++) await assert.rejects(steady.get('away'), down)
  }
  await attack()
  let answers = 0
  for (let second = 0; second < 4; second++) {
    await sleep(1_050)
    await attack()
    answers += await steady.get('here').then(() => 1, () => 0)
  }
  // Only that none of four keys lies elsewhere, once in eighty times, can keep one of them from an
  // answer.
  assert.ok(answers >= 3, String(answers))
})

test('what can still be read is read; failures now and then spare nobody [F-15]', async () => {
  const { store, asked, fail } = moody()
  const steady = withCircuitBreaker(store)
  fail.writes = true
  for (let index = 0; index < 10; index++) {
    await assert.rejects(steady.put('key', 'value', 60), down)
  }
  assert.deepEqual(asked, Array(9).fill('put'))
  for (let index = 0; index < 10; index++) assert.equal(await steady.get('key'), null)
  for (let index = 0; index < 20; index++) {
    fail.reads = index % 5 !== 0
    if (fail.reads) await assert.rejects(steady.get('key'), down)
    else await steady.get('key')
  }
  assert.equal(asked.filter(name => name === 'get').length, 30)
})

test('a store may be an instance of a class, and needs no warnings', async () => {
  class Kept implements Store {
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
  const store = withCircuitBreaker(new Kept())
  assert.equal(await store.putIfAbsent('a', '1', 60), null)
  assert.deepEqual([await store.get('a'), await store.warnings?.()], ['1', []])
})
