import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '../../lib/store/memory.ts'
import { createRevocations } from '../../lib/store/revocations.ts'
import type { Store } from '../../lib/types.ts'
import { racing, stores } from '../support/stores.ts'

const registration = {
  provider: { issuer: 'https://id.example' },
  publicUrl: null,
  prefix: '',
  mcp: { path: '/mcp' },
  lifetimes: { access: 3600, refreshAbsolute: 86_400 }
}
const create = (store: Store, more: Partial<typeof registration> = {}) =>
  createRevocations({ ...registration, ...more, store })

const alice = { subject: 'alice', client: 'c', at: 1_000 }

/** A store that counts its commands. */
function counting (inner: Store) {
  const counted = { reads: 0, writes: 0 }
  const store: Store = {
    get: async (key) => {
      counted.reads++
      return await inner.get(key)
    },
    put: async (...entry) => {
      counted.writes++
      await inner.put(...entry)
    },
    putIfAbsent: async (...entry) => {
      counted.writes++
      return await inner.putIfAbsent(...entry)
    }
  }
  return { store, counted }
}

for (const { where, skip, open } of stores) {
  test(
    `isRevoked() refuses older tokens, at once here and within a second elsewhere (${where}) [V-09]`,
    { skip },
    async (t) => {
      const store = await open(t)
      const name = { prefix: `/${t.name}` }
      const [local, remote] = [create(store, name), create(store, name)]
      const tokens = {
        subject: alice,
        client: { ...alice, subject: 'bob' },
        session: { ...alice, client: 'other', session: 's' },
        all: { at: 1_000 },
        before: { at: 1_000 }
      }
      for (const [kind, token] of Object.entries(tokens)) {
        const id = (token as Record<string, unknown>)[kind] ?? ''
        const of = { ...name, mcp: { path: `/${kind}` } }
        const [local, remote] = [create(store, of), create(store, of)]
        for (const one of [local, remote]) assert.equal(await one.isRevoked(token), false)
        await local.revoke(kind as 'all', String(id), 1_000)
        assert.equal(await local.isRevoked(token), true, kind)
        await sleep(1_020)
        assert.equal(await remote.isRevoked(token), true, kind)
        for (const one of [local, remote, create(store, of)]) {
          assert.equal(await one.isRevokedNow(token), true)
          assert.equal(await one.isRevoked({ ...token, at: 1_001 }), false, 'issued after it')
          const other = { subject: 'carol', client: 'd', session: 't', at: 1_000 }
          assert.equal(await one.isRevoked(other), id === '', 'of others')
        }
      }
      for (const one of [local, remote]) {
        assert.equal(await one.isRevoked(alice), false, 'another registration')
      }
    }
  )
}

test('revoke() with an earlier time keeps a later one, also if both are written at once [V-11]', async () => {
  const store = racing(memoryStore())
  const [one, two] = [create(store), create(store)]
  await Promise.all([one.revoke('before', '', 3_000), two.revoke('before', '', 2_000)])
  assert.equal(await one.isRevokedNow({ at: 3_000 }), true)
  await Promise.all([one.revoke('all', '', 5_000), two.revoke('before', '', 4_000)])
  for (const registration of [one, two, create(store)]) {
    assert.equal(await registration.isRevokedNow({ at: 5_000 }), true)
    assert.equal(await registration.isRevokedNow({ at: 5_001 }), false)
  }
  await one.revoke('subject', 'alice', 9_000)
  await two.revoke('subject', 'alice', 8_000)
  assert.equal(await two.isRevokedNow({ ...alice, at: 9_000 }), true)
})

test('isRevoked() reads one key a second, and each of its keys after a first revocation', async () => {
  const { store, counted } = counting(memoryStore())
  const [local, remote] = [create(store), create(store)]
  const users = Array.from({ length: 50 }, (_, index) => ({ ...alice, subject: `user ${index}` }))
  const check = async () => {
    for (let turn = 0; turn < 2; turn++) {
      assert.deepEqual(await Promise.all(users.map(remote.isRevoked)), users.map(() => false))
    }
    for (const user of users) assert.equal(remote.isRevoked(user), false, 'without a promise')
  }
  await check()
  assert.deepEqual(counted, { reads: 1, writes: 0 })
  await local.revoke('subject', 'alice', 1_000)
  assert.deepEqual(counted, { reads: 3, writes: 2 })
  await local.revoke('client', 'd', 1_000)
  assert.deepEqual(counted, { reads: 5, writes: 3 }, 'one write for each further revocation')
  await sleep(1_020)
  await check()
  assert.equal(counted.reads - 5, 1 + 2 + 1 + users.length, 'flag, times, client, users')
})

test('revoke() refuses a token at once that was accepted a moment ago, after other revocations', async () => {
  const revocations = create(memoryStore())
  await revocations.revoke('client', 'd', 1_000)
  assert.equal(await revocations.isRevoked(alice), false)
  await revocations.revoke('subject', 'alice', 1_000)
  assert.equal(await revocations.isRevoked(alice), true)
})

test('isUnused() is true for a second after a read without revocations, and not after one', async () => {
  const revocations = create(memoryStore())
  assert.equal(revocations.isUnused(), false, 'before any read')
  assert.equal(await revocations.isRevoked(alice), false)
  assert.equal(revocations.isUnused(), true)
  await revocations.revoke('subject', 'alice', 1_000)
  assert.equal(revocations.isUnused(), false)
})

test('isUnused() is true until a second after a slow read began, whoever waits for it', async () => {
  const inner = memoryStore()
  const revocations = create({
    ...inner,
    async get (key) {
      const value = await inner.get(key)
      await sleep(800)
      return value
    }
  })
  const first = revocations.isRevoked(alice)
  await sleep(700)
  await Promise.all([first, revocations.isRevoked({ ...alice, subject: 'bob' })])
  await sleep(250)
  assert.equal(revocations.isUnused(), false)
})

test('a revocation that the store does not take is reported, and one that cannot be read is no pass', async () => {
  const inner = memoryStore()
  const broken = { reads: false, writes: false }
  const fail = async () => {
    throw new Error('the store is down')
  }
  const revocations = create({
    get: (...given) => broken.reads ? fail() : inner.get(...given),
    put: (...given) => broken.writes ? fail() : inner.put(...given),
    putIfAbsent: inner.putIfAbsent
  })
  broken.writes = true
  await assert.rejects(revocations.revoke('subject', 'alice', 1_000), /down/)
  broken.writes = false
  broken.reads = true
  await assert.rejects(async () => await revocations.isRevoked(alice), /down/)
  await assert.rejects(revocations.revoke('subject', 'alice', 1_000), /down/)
  broken.reads = false
  await revocations.revoke('subject', 'alice', 1_000)
  assert.equal(await revocations.isRevoked(alice), true, 'a failed read is not cached')
})

test('an instance that saw a revocation finds later ones in a store that was emptied', async () => {
  let inner = memoryStore()
  const store: Store = {
    get: key => inner.get(key),
    put: (...entry) => inner.put(...entry),
    putIfAbsent: (...entry) => inner.putIfAbsent(...entry)
  }
  const one = create(store)
  await one.revoke('all', '', 1_000)
  inner = memoryStore()
  await one.revoke('subject', 'alice', 1_000)
  for (const registration of [one, create(store)]) {
    assert.equal(await registration.isRevoked(alice), true)
  }
})
