import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../lib/store/memory.ts'
import { contract } from '../support/store-contract.ts'

for (const [name, check] of contract) {
  test(`${name} (in memory)`, async () => {
    const store = memoryStore()
    await check(store, store)
  })
}

test('memoryStore drops the oldest entries beyond its maximum [S-10]', async () => {
  const store = memoryStore({ max: 100 })
  for (let index = 0; index < 1000; index++) await store.put(`key${index}`, 'x', 60)
  const kept = await Promise.all(
    Array.from({ length: 1000 }, (_, index) => store.get(`key${index}`))
  )
  assert.equal(kept.filter((value) => value !== null).length, 100)
  assert.ok(kept.slice(900).every((value) => value === 'x'))
})

test('memoryStore bounds characters too, and drops an entry that is larger than all of it [S-10]', async () => {
  const store = memoryStore({ max: 100 })
  for (let index = 0; index < 100; index++) await store.put(`key${index}`, 'x'.repeat(3_990), 60)
  assert.equal(await store.get('key89'), null)
  assert.notEqual(await store.get('key90'), null)
  await store.put('key99', 'x'.repeat(40_001), 60)
  assert.equal(await store.get('key99'), null)
})

test('memoryStore rejects a maximum that is not a positive whole number [S-10]', () => {
  for (const max of [0.5, 1.5, 0, -1, NaN, Infinity, '10']) {
    assert.throws(() => memoryStore({ max: max as number }), TypeError, String(max))
  }
})
