import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLedger, machineGrant } from '../../lib/store/one-time.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { stores } from '../support/stores.ts'

for (const { where, skip, open } of stores) {
  test(`T-15 a thing is used up by one caller, by kind and id (${where})`, { skip }, async (t) => {
    const store = await open(t)
    const ledgers = [createLedger(store, t.name), createLedger(store, t.name)]
    for (let index = 0; index < 50; index++) {
      const answers = await Promise.all(
        Array.from(
          { length: 20 },
          (_, caller) => ledgers[caller % 2]?.consume('code', `${index}`, 60)
        )
      )
      assert.equal(answers.filter(Boolean).length, 1)
    }
    assert.equal(await ledgers[0]?.isConsumed('code', '1'), true)
    assert.equal(await ledgers[0]?.isConsumed('code', 'x'), false)
    assert.equal(await ledgers[0]?.consume('login', '1', 60), true)
  })

  test(`what is released can be used again (${where})`, { skip }, async (t) => {
    const ledger = createLedger(await open(t), t.name)
    assert.equal(await ledger.consume('lock', 'x', 60), true)
    assert.equal(await ledger.consume('lock', 'x', 60), false)
    await ledger.release('lock', 'x')
    await sleep(10)
    assert.equal(await ledger.consume('lock', 'x', 60), true)
  })

  test(`T-09 failures are counted, in parallel too (${where})`, { skip }, async (t) => {
    const ledger = createLedger(await open(t), t.name)
    const last: boolean[] = []
    for (let index = 0; index < 6; index++) last.push(await ledger.fail('code', 'x', 5, 60))
    assert.deepEqual(last, [false, false, false, false, true, true])
    const parallel = await Promise.all(
      Array.from({ length: 5 }, () => ledger.fail('code', 'y', 5, 60))
    )
    assert.equal(parallel.filter(Boolean).length, 1)
  })

  test(
    `V-05 a revoked grant is dead here at once, and on other instances within a second (${where})`,
    { skip },
    async (t) => {
      const store = await open(t)
      const [here, there] = [createLedger(store, t.name), createLedger(store, t.name)]
      for (const ledger of [here, there]) assert.equal(await ledger.isRevoked('x'), false)
      await here.revoke('x')
      assert.equal(await here.isRevoked('x'), true)
      await sleep(1_050)
      assert.equal(await there.isRevoked('x'), true)
      assert.equal(await there.isRevoked('y'), false)
    }
  )

  test(`S-06 registrations that share a store do not meet (${where})`, { skip }, async (t) => {
    const store = await open(t)
    const [a, b] = [createLedger(store, t.name), createLedger(store, `${t.name} 2`)]
    await a.revoke('x')
    await a.remember('refreshed', 'x', 'value', 60)
    assert.equal(await a.consume('code', 'x', 60), true)
    assert.deepEqual([
      await b.isRevoked('x'),
      await b.recall('refreshed', 'x'),
      await b.consume('code', 'x', 60)
    ], [false, null, true])
    assert.equal(await a.recall('refreshed', 'x'), 'value')
  })
}

test('S-05 S-07 no id is a key, and every key ends', async () => {
  const seen: Array<[key: string, ttl: number]> = []
  const inner = memoryStore()
  const ledger = createLedger({
    get: inner.get,
    putIfAbsent: async (key, value, ttl) => {
      seen.push([key, ttl])
      return await inner.putIfAbsent(key, value, ttl)
    },
    put: async (key, value, ttl) => {
      seen.push([key, ttl])
      await inner.put(key, value, ttl)
    }
  }, 'a')
  for (const id of ['a:b', '*', '\r\nDEL x', '..', 'x'.repeat(10_000), 'é😀', '']) {
    await ledger.consume('code', id, 60)
    await ledger.fail('code', id, 5, 60)
    await ledger.revoke(id)
    await ledger.remember('refreshed', id, 'sealed', 30)
    await ledger.release('lock', id)
  }
  for (const [key, ttl] of seen) {
    assert.match(key, /^mcp-oauth:[\w-]{16}:[a-z-]+:[\w-]{43}$/)
    assert.ok(ttl > 0 && Number.isFinite(ttl))
  }
  assert.equal(new Set(seen.map(([key]) => key)).size, seen.length)
})

test('D11 T-28 a flood of what machines revoke, or assert, pushes out nothing of users or of other machines', async () => {
  const ledger = createLedger(
    memoryStore({ max: 50 }),
    'https://mcp.example',
    () => memoryStore({ max: 50 })
  )
  await ledger.revoke('user')
  await ledger.revoke(machineGrant('two', 'x'))
  assert.equal(await ledger.consume('assertion:one', 'x', 60), true)
  for (let index = 0; index < 200; index++) {
    await ledger.revoke(machineGrant('one', String(index)))
    await ledger.consume('refresh', String(index), 60)
    await ledger.consume('assertion:two', String(index), 60)
  }
  assert.equal(await ledger.isRevoked('user'), true)
  assert.equal(await ledger.isRevoked(machineGrant('one', '199')), true)
  assert.equal(await ledger.isRevoked(machineGrant('two', 'x')), true)
  assert.equal(await ledger.consume('assertion:one', 'x', 60), false)
})

test('D11 a flood of codes, guesses and pages pushes out nothing that was revoked, and none of another kind', async () => {
  const ledger = createLedger(memoryStore({ max: 5 }), 'a', () => memoryStore({ max: 5 }))
  await ledger.revoke('grant')
  for (const flood of ['consent', 'login', 'code', 'code-failure', 'replay', 'upstream']) {
    await ledger.consume('code', 'mine', 60)
    for (let index = 0; index < 20; index++) await ledger.consume(flood, `${index}`, 60)
    assert.equal(await ledger.isConsumed('code', 'mine'), flood !== 'code', flood)
  }
  assert.equal(await ledger.isRevoked('grant'), true)
})
