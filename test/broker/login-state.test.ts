import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoginStates } from '../../lib/broker/logins.ts'
import { loginSeconds } from '../../lib/limits.ts'
import { hash } from '../../lib/util/hash.ts'

const [older, newer] = [
  'an older secret, more than 32 bytes long',
  'a newer secret, more than 32 bytes long'
]
const now = 1_800_000_000.5
const id = 'a-random-id-of-a-page'
const createStates = (secrets: string[], context: string) =>
  createLoginStates(secrets, context, loginSeconds)
const states = createStates([older], 'a')
const stateOf = (made: ReturnType<typeof states.create>) => made.upstreamState

test('verify accepts a state for ten minutes, and half a minute early [CD-07 B-02 F-06]', () => {
  const state = stateOf(states.create(id, now * 1000))
  assert.match(state, /^[\da-z]{64}$/)
  for (const later of [-30, 0, 1, loginSeconds - 1]) {
    assert.equal(states.verify(state, now + later), true)
  }
  for (const later of [loginSeconds, loginSeconds + 1, 1e9, -60, NaN]) {
    assert.equal(states.verify(state, now + later), false)
  }
})

test('verify rejects a state with any other character [B-02]', () => {
  const state = stateOf(states.create(id, now * 1000))
  for (let index = 0; index < state.length; index++) {
    for (const other of ['0', 'a', 'f', 'z', 'A', ' ', '']) {
      const changed = state.slice(0, index) + other + state.slice(index + 1)
      if (changed !== state) {
        assert.equal(states.verify(changed, now), false, `${index} ${other}`)
      }
    }
  }
  for (
    const invalid of [
      '',
      'x',
      `${state}0`,
      `${state}\n`,
      ` ${state}`,
      'é'.repeat(64),
      '0'.repeat(64),
      'z'.repeat(64)
    ]
  ) assert.equal(states.verify(invalid, now), false)
})

test('create makes one login for each page and time, with states that sort by time [CD-07 field:S9 field:S18]', () => {
  const made = Array.from({ length: 1000 }, (_, index) => states.create(id, now * 1000 + index))
  assert.deepEqual(states.create(id, now * 1000), made[0])
  assert.deepEqual([...made.map(stateOf)].sort(), made.map(stateOf))
  assert.equal(new Set(made.map(stateOf)).size, 1000)

  const others = Array.from(
    { length: 1000 },
    (_, index) => states.create(String(index), now * 1000)
  )
  assert.equal(new Set(others.map(other => stateOf(other).slice(11, 40))).size, 1000)
  for (const { upstreamState, secrets: { verifier, nonce } } of [...made, ...others]) {
    assert.match(verifier, /^[\w-]{43}$/)
    assert.equal(new Set([verifier, nonce, hash(id), hash(verifier)]).size, 4)
    assert.ok(states.verify(upstreamState, now))
  }
})

test('create makes the secrets of a login from its page alone, and the state with the first secret', () => {
  const rotated = createStates([newer, older], 'a').create(id, now * 1000)
  assert.deepEqual(rotated.secrets, states.create(id, now * 1000).secrets)
  assert.notEqual(rotated.upstreamState, states.create(id, now * 1000).upstreamState)
})

test('verify accepts states of an older secret while it is listed, and none of another registration [F-21]', () => {
  const state = stateOf(states.create(id, now * 1000))
  assert.equal(createStates([newer, older], 'a').verify(state, now), true)
  assert.equal(createStates([newer], 'a').verify(state, now), false)
  assert.equal(createStates([older], 'b').verify(state, now), false)
  assert.equal(
    states.verify(stateOf(createStates([newer, older], 'a').create(id, now * 1000)), now),
    false
  )
})
