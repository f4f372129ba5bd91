import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOneTimeMarks, machineGrant } from '../../lib/store/one-time.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { sentTwice, stores } from '../support/stores.ts'

for (const { where, skip, open } of stores) {
  test(
    `consume() succeeds once for each kind and id (${where}) [T-15]`,
    { skip },
    async (t) => {
      const store = await open(t)
      const instances = [createOneTimeMarks(store, t.name), createOneTimeMarks(store, t.name)]
      for (let index = 0; index < 50; index++) {
        const results = await Promise.all(
          Array.from(
            { length: 20 },
            (_, caller) => instances[caller % 2]?.consume('code', `${index}`, 60)
          )
        )
        assert.equal(results.filter(Boolean).length, 1)
      }
      assert.equal(await instances[0]?.isConsumed('code', '1'), true)
      assert.equal(await instances[0]?.isConsumed('code', 'x'), false)
      assert.equal(await instances[0]?.consume('login', '1', 60), true)
    }
  )

  test(
    `consume() succeeds once although every write is sent twice (${where}) [field:S3]`,
    { skip },
    async (t) => {
      const marks = createOneTimeMarks(sentTwice(await open(t)), t.name)
      assert.equal(await marks.consume('code', 'x', 60), true)
      assert.equal(await marks.consume('code', 'x', 60), false)
    }
  )

  test(
    `lease() is for one holder until it lapses, and extend() prolongs it (${where}) [field:S7]`,
    { skip },
    async (t) => {
      const marks = createOneTimeMarks(await open(t), t.name)
      assert.equal(await marks.lease('x', 'one', 0.2), true)
      assert.equal(await marks.lease('x', 'two', 0.2), false)
      await sleep(150)
      assert.equal(await marks.lease('x', 'one', 0.2), true, 'the holder can take it again')
      await sleep(150)
      await marks.extend('x', 'one', 0.2)
      await sleep(150)
      assert.equal(await marks.lease('x', 'two', 0.2), false)
      await sleep(100)
      assert.equal(await marks.lease('x', 'two', 0.2), true)
    }
  )

  test(`failCode() counts failures, in parallel too, and uses the code up (${where}) [T-09]`, {
    skip
  }, async (t) => {
    const marks = createOneTimeMarks(await open(t), t.name)
    const used: boolean[] = []
    for (let index = 0; index < 6; index++) {
      await marks.failCode('x', 5, 60)
      used.push(await marks.isConsumed('code', 'x'))
    }
    assert.deepEqual(used, [false, false, false, false, true, true])
    const failures = (code: string, length: number) =>
      Promise.all(Array.from({ length }, () => marks.failCode(code, 5, 60)))
    await Promise.all([failures('y', 4), failures('z', 5)])
    assert.equal(await marks.isConsumed('code', 'y'), false)
    assert.equal(await marks.isConsumed('code', 'z'), true)
  })

  test(
    `isRevoked() is true at once on this instance, within a second on others (${where}) [V-05]`,
    { skip },
    async (t) => {
      const store = await open(t)
      const [local, remote] = [createOneTimeMarks(store, t.name), createOneTimeMarks(store, t.name)]
      for (const marks of [local, remote]) assert.equal(await marks.isRevoked('x'), false)
      await local.revoke('x', 60)
      assert.equal(await local.isRevoked('x'), true)
      await sleep(1_050)
      assert.equal(await remote.isRevoked('x'), true)
      assert.equal(await remote.isRevoked('y'), false)
    }
  )

  test(
    `two registrations in one store have separate marks (${where}) [S-06]`,
    { skip },
    async (t) => {
      const store = await open(t)
      const [a, b] = [createOneTimeMarks(store, t.name), createOneTimeMarks(store, `${t.name} 2`)]
      await a.revoke('x', 60)
      await a.remember('family', 'x', 'value', 60)
      assert.equal(await a.consume('code', 'x', 60), true)
      assert.deepEqual([
        await b.isRevoked('x'),
        await b.recall('family', 'x'),
        await b.consume('code', 'x', 60)
      ], [false, null, true])
      assert.equal(await a.recall('family', 'x'), 'value')
    }
  )
}

test('keys contain no id, and every key has a lifetime [S-05 S-07]', async () => {
  const seen: Array<[key: string, ttl: number]> = []
  const inner = memoryStore()
  const marks = createOneTimeMarks({
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
    await marks.consume('code', id, 60)
    await marks.failCode(id, 5, 60)
    await marks.revoke(id, 60)
    await marks.remember('family', id, 'sealed', 30)
    await marks.lease(id, 'one', 3)
  }
  for (const [key, ttl] of seen) {
    assert.match(key, /^mcp-oauth:[\w-]{16}:[a-z-]+:[\w-]{43}$/)
    assert.ok(ttl > 0 && Number.isFinite(ttl))
  }
  assert.equal(new Set(seen.map(([key]) => key)).size, seen.length)
})

test('the marks of one machine client push out none of users or other clients [D11 T-28]', async () => {
  const marks = createOneTimeMarks(
    memoryStore({ max: 50 }),
    'https://mcp.example',
    () => memoryStore({ max: 50 })
  )
  await marks.revoke('user', 60)
  await marks.revoke(machineGrant('two', 'x'), 60)
  assert.equal(await marks.consume('assertion:one', 'x', 60), true)
  for (let index = 0; index < 200; index++) {
    await marks.revoke(machineGrant('one', String(index)), 60)
    await marks.remember('family', String(index), 'sealed', 60)
    await marks.consume('assertion:two', String(index), 60)
  }
  assert.equal(await marks.isRevoked('user'), true)
  assert.equal(await marks.isRevoked(machineGrant('one', '199')), true)
  assert.equal(await marks.isRevoked(machineGrant('two', 'x')), true)
  assert.equal(await marks.consume('assertion:one', 'x', 60), false)
})

test('a flood of one kind pushes out no revocation and no other kind [D11]', async () => {
  const marks = createOneTimeMarks(memoryStore({ max: 5 }), 'a', () => memoryStore({ max: 5 }))
  await marks.revoke('grant', 60)
  for (const flood of ['consent', 'login', 'code', 'code-failure', 'ended', 'family']) {
    await marks.consume('code', 'mine', 60)
    for (let index = 0; index < 20; index++) await marks.consume(flood, `${index}`, 60)
    assert.equal(await marks.isConsumed('code', 'mine'), flood !== 'code', flood)
  }
  assert.equal(await marks.isRevoked('grant'), true)
})
