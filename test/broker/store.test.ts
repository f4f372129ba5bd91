import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../lib/broker/store/memory.ts'
import { contract } from '../support/store-contract.ts'

for (const [name, check] of contract) {
  test(`${name} (in memory)`, async () => {
    const store = memoryStore()
    await check(store, store)
  })
}

test('S-10 a flood finds a bound, and the oldest entries go', async () => {
  const store = memoryStore({ max: 100 })
  for (let index = 0; index < 1000; index++) await store.put(`key${index}`, 'x', 60)
  const kept = await Promise.all(Array.from({ length: 1000 }, (_, index) => store.get(`key${index}`)))
  assert.equal(kept.filter((value) => value !== null).length, 100)
  assert.ok(kept.slice(900).every((value) => value === 'x'))
})
