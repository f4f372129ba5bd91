import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createOneTimeMarks } from '../../lib/store/one-time.ts'
import { createRevocation } from '../../lib/broker/revocation.ts'
import { createSealer } from '../../lib/crypto/sealer.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import { accessTokenSeconds } from '../../lib/limits.ts'

/** A revocation whose provider fails with `state.failure`, and the tokens revoked there. */
function setUp ({ delays = [1, 5, 30] }: { delays?: number[] } = {}) {
  const requests: string[] = []
  const warnings: string[] = []
  const ignore = () => {}
  const state = { failure: null as Error | null }
  const store = memoryStore()
  const revocation = createRevocation({
    marks: createOneTimeMarks(store, 'a'),
    sealer: createSealer(['a test secret that is long enough to be one']),
    provider: {
      revoke: async (token) => {
        requests.push(token)
        if (state.failure) throw state.failure
      }
    },
    log: {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (_details, message) => {
        warnings.push(message)
      }
    },
    delays
  })
  return { requests, warnings, state, store, revocation }
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
    const { requests, warnings, state, revocation } = setUp()
    state.failure = new McpOAuthError(kind)
    await revocation.note('grant', 'token', 0)
    await revocation.end('grant', 0)
    while (warnings.length === 0) await sleep(5)
    assert.deepEqual(requests, Array(4).fill('token'))
    assert.deepEqual(warnings, ['Could not revoke a grant at the provider'])
  }
})

test('end() does not repeat a revocation that was refused or failed unexpectedly [V-07]', async () => {
  for (const failure of [new McpOAuthError('invalidGrant'), new TypeError('a mistake')]) {
    const { requests, warnings, state, revocation } = setUp()
    state.failure = failure
    await revocation.end('grant', 0, 'token')
    while (warnings.length === 0) await sleep(5)
    assert.equal(requests.length, 1)
  }
})

test('end() resolves before a retry and keeps no process alive for it [V-07]', async () => {
  const { requests, state, revocation } = setUp({ delays: [60_000] })
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  state.failure = new McpOAuthError('providerUnavailable')
  await revocation.end('grant', 0, 'token')
  while (requests.length === 0) await sleep(1)
  assert.equal(timers(), before)
})

test(
  'end() prefers the noted token to the carried one until the note expires [V-06]',
  async () => {
    const { requests, revocation } = setUp()
    await revocation.note('one', 'new', 0)
    await revocation.end('one', accessTokenSeconds - 1, 'old')
    await revocation.note('two', 'new', 0)
    await revocation.end('two', accessTokenSeconds + 1, 'old')
    await revocation.end('three', 0)
    while (requests.length < 2) await sleep(1)
    assert.deepEqual(requests, ['new', 'old'])
  }
)

test('note() revokes a token that was noted after the grant ended [V-05]', async () => {
  const { requests, revocation } = setUp()
  assert.equal(await revocation.isNoted('grant'), false)
  assert.equal(await revocation.note('grant', 'one', 0), true)
  assert.equal(await revocation.isNoted('grant'), true)
  await Promise.all(Array.from({ length: 5 }, () => revocation.end('grant', 0)))
  assert.equal(await revocation.note('grant', 'two', 0), false)
  while (requests.length < 2) await sleep(1)
  assert.deepEqual(requests.sort(), ['one', 'two'])
})
