import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOneTimeMarks, machineGrant } from '../../lib/store/one-time.ts'
import { createKept } from '../../lib/broker/kept.ts'
import { createRevocation } from '../../lib/broker/revocation.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { accessTokenSeconds, refreshAbsoluteSeconds, tokenSkewSeconds } from '../../lib/limits.ts'
import { recordWarnings } from '../support/log.ts'

/** A revocation whose provider fails with `state.failure`, and the tokens revoked there. */
function setUp ({ delays = [1, 5, 30] }: { delays?: number[] } = {}) {
  const requests: string[] = []
  const { log, warnings } = recordWarnings()
  const state = { failure: null as Error | null }
  const store = memoryStore()
  const marks = createOneTimeMarks(store, 'a')
  const sealer = createSealer(['a test secret that is long enough to be one'])
  const kept = createKept({ marks, sealer, log })
  const revocation = createRevocation({
    marks,
    kept,
    lifetimes: { access: accessTokenSeconds, refreshAbsolute: refreshAbsoluteSeconds },
    provider: {
      revoke: async (token) => {
        requests.push(token)
        if (state.failure) throw state.failure
      }
    },
    log,
    delays
  })
  const note = (id: string, refresh: string, lifetime = 60) =>
    kept.keep(
      'family',
      { id, generation: 0, upstream: { refresh }, uses: [] },
      lifetime,
      0
    )
  return { requests, warnings, state, store, marks, note, revocation }
}

test('end() tries an unavailable provider four times, then logs a warning [V-07]', async () => {
  for (
    const kind of [
      'providerUnavailable',
      'providerTimeout',
      'providerMisbehaved',
      'storeUnavailable'
    ] as const
  ) {
    const { requests, warnings, state, note, revocation } = setUp()
    state.failure = new McpOAuthError(kind)
    await note('grant', 'token')
    await revocation.revokeGrant('grant', 0)
    while (warnings.length === 0) await sleep(5)
    assert.deepEqual(requests, Array(4).fill('token'))
    assert.deepEqual(warnings, ['Could not revoke a grant at the provider'])
  }
})

test('end() does not repeat a revocation that was refused or failed unexpectedly [V-07]', async () => {
  for (const failure of [new McpOAuthError('invalidGrant'), new TypeError('a mistake')]) {
    const { requests, warnings, state, revocation } = setUp()
    state.failure = failure
    await revocation.revokeGrant('grant', 0, { refresh: 'token' })
    while (warnings.length === 0) await sleep(5)
    assert.equal(requests.length, 1)
  }
})

test('end() resolves before a retry and keeps no process alive for it [V-07]', async () => {
  const { requests, state, revocation } = setUp({ delays: [60_000] })
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  state.failure = new McpOAuthError('providerUnavailable')
  await revocation.revokeGrant('grant', 0, { refresh: 'token' })
  while (requests.length === 0) await sleep(1)
  assert.equal(timers(), before)
})

test('end() prefers the newest token of the grant to the carried one [V-06]', async () => {
  const { requests, note, revocation } = setUp()
  await note('one', 'new')
  await revocation.revokeGrant('one', 59, { refresh: 'old' })
  await note('two', 'new')
  await revocation.revokeGrant('two', 61, { access: 'old' })
  await revocation.revokeGrant('three', 0)
  await revocation.revokeGrant(machineGrant('machine', 'x'), 0, { refresh: 'none' })
  while (requests.length < 2) await sleep(1)
  assert.deepEqual(requests, ['new', 'old'])
})

test('end() revokes at the provider once, also if a failed request left the mark [field:S3]', async () => {
  const { requests, marks, note, revocation } = setUp()
  await note('grant', 'one')
  await marks.revoke('grant', 60)
  await Promise.all(Array.from({ length: 5 }, () => revocation.revokeGrant('grant', 0)))
  await revocation.revokeGrant('grant', 0)
  while (requests.length < 1) await sleep(1)
  await sleep(20)
  assert.deepEqual(requests, ['one'])
})

for (
  const [whose, grant, lifetimes, longest] of [
    ['a user', 'x', {}, refreshAbsoluteSeconds],
    ['a user with long lifetimes', 'x', { refreshAbsolute: 9e6 }, 9e6],
    [
      'a user with short lifetimes',
      'x',
      { refreshAbsolute: 60, access: 60 },
      refreshAbsoluteSeconds
    ],
    ['a machine', machineGrant('one', 'x'), {}, accessTokenSeconds],
    ['a machine with long tokens', machineGrant('one', 'x'), { access: 7200 }, 7200]
  ] as const
) {
  test(`end() marks a grant of ${whose} longer than its tokens are accepted [A16 field:A7]`, async () => {
    const ttls: number[] = []
    const revocation = createRevocation({
      marks: {
        revoke: async (_grant, ttl) => {
          ttls.push(ttl)
        },
        consume: async () => true
      },
      kept: { recall: async () => null },
      lifetimes: {
        access: accessTokenSeconds,
        refreshAbsolute: refreshAbsoluteSeconds,
        ...lifetimes
      },
      provider: { revoke: async () => {} },
      log: recordWarnings().log
    })
    await revocation.revokeGrant(grant, 0)
    assert.equal(ttls.length, 1)
    assert.ok((ttls[0] ?? 0) >= longest + tokenSkewSeconds, `${ttls[0]} seconds`)
  })
}
