import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLoginStates } from '../../lib/broker/logins.ts'
import { loginSeconds } from '../../lib/limits.ts'

const [older, newer] = [
  'an older secret, more than 32 bytes long',
  'a newer secret, more than 32 bytes long'
]
const now = 1_800_000_000.5
const states = createLoginStates([older], 'a')

test('verify accepts a state for ten minutes, and half a minute early [CD-07 B-02 F-06]', () => {
  const state = states.create(now)
  assert.match(state, /^[\da-z]{64}$/)
  for (const later of [-30, 0, 1, loginSeconds - 1]) {
    assert.equal(states.verify(state, now + later), true)
  }
  for (const later of [loginSeconds, loginSeconds + 1, 1e9, -60, NaN]) {
    assert.equal(states.verify(state, now + later), false)
  }
})

test('verify rejects a state with any other character [B-02]', () => {
  const state = states.create(now)
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

test('create makes random states that sort by time [CD-07]', () => {
  const made = Array.from({ length: 1000 }, (_, index) => states.create(now + index))
  assert.equal(new Set(made.map(state => state.slice(8, 40))).size, 1000)
  assert.deepEqual([...made].sort(), made)
})

test('verify accepts states of an older secret while it is listed, and none of another registration [F-21]', () => {
  const state = states.create(now)
  assert.equal(createLoginStates([newer, older], 'a').verify(state, now), true)
  assert.equal(createLoginStates([newer], 'a').verify(state, now), false)
  assert.equal(createLoginStates([older], 'b').verify(state, now), false)
  assert.equal(states.verify(createLoginStates([newer, older], 'a').create(now), now), false)
})
