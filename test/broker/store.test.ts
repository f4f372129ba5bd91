import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { memoryStore } from '../../lib/broker/store/memory.ts'

test('T-15 of many writers at once exactly one finds the key free', async () => {
  const store = memoryStore()
  for (let round = 0; round < 100; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => store.putIfAbsent(`key${round}`, `value${index}`, 60)))
    assert.equal(answers.filter((answer) => answer === null).length, 1)
    assert.deepEqual([...new Set(answers)], [null, 'value0'])
  }
})

test('what is put is found, replaced, and not mixed up', async () => {
  const store = memoryStore()
  assert.equal(await store.get('a'), null)
  await store.put('a', '', 60)
  assert.equal(await store.get('a'), '')
  assert.equal(await store.putIfAbsent('a', 'x', 60), '')
  await store.put('a', '2', 60)
  assert.deepEqual([await store.get('a'), await store.get('b'), await store.get('__proto__')], ['2', null, null])
})

test('an entry is gone after its time, and the key is free again', async () => {
  const store = memoryStore()
  await store.put('a', '1', 0.01)
  await store.put('b', '1', 3600)
  while (await store.get('a') !== null) await sleep(5)
  assert.equal(await store.putIfAbsent('a', '2', 60), null)
  assert.deepEqual([await store.get('a'), await store.get('b')], ['2', '1'])
})

test('S-07 no entry lives for ever', async () => {
  const store = memoryStore()
  for (const ttl of [0, -1]) {
    await store.put('a', '1', ttl)
    assert.equal(await store.get('a'), null)
    assert.equal(await store.putIfAbsent('a', '1', ttl), null)
    assert.equal(await store.get('a'), null)
  }
  await store.put('a', '1', 60)
  await store.put('a', '1', 0)
  assert.equal(await store.get('a'), null)
})

test('S-10 a flood finds a bound, and the oldest entries go', async () => {
  const store = memoryStore({ max: 100 })
  for (let index = 0; index < 1000; index++) await store.put(`key${index}`, 'x', 60)
  const kept = await Promise.all(Array.from({ length: 1000 }, (_, index) => store.get(`key${index}`)))
  assert.equal(kept.filter((value) => value !== null).length, 100)
  assert.ok(kept.slice(900).every((value) => value === 'x'))
})
