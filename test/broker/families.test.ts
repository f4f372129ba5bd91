import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextTimes, positionOf, type Family } from '../../lib/broker/families.ts'
import { maxGenerations } from '../../lib/limits.ts'

/** A family whose generations were issued at the given times, the first one at a login. */
function familyOf (times: readonly number[]): Family {
  const first: Family = { id: 'grant', generation: -1, upstream: {}, issuedAt: [] }
  return times.reduce((family, now) => ({
    ...family,
    generation: family.generation + 1,
    ...nextTimes(family, { grace: 600, now })
  }), first)
}

const rows: Array<[generation: number, now: number, position: string]> = [
  [3, 1e9, 'newest'],
  [4, 0, 'newest'],
  [2, 1e9, 'copy'],
  [1, 30 + 600, 'copy'],
  [1, 30 + 601, 'reused'],
  [0, 20 + 600, 'copy'],
  [0, 20 + 601, 'reused'],
  [0, -1e9, 'copy']
]
for (const [generation, now, position] of rows) {
  test(`positionOf() is ${position} for generation ${generation} of 3 at ${now} seconds [field:S2]`, () => {
    const family = familyOf([0, 10, 20, 30])
    assert.equal(positionOf(generation, family, { grace: 600, now }), position)
  })
}

test('positionOf() is newest for a grant that the store does not know [field:S2]', () => {
  assert.equal(positionOf(7, null, { grace: 0, now: 0 }), 'newest')
})

test('positionOf() never takes the two newest tokens for theft, and old ones only once [field:S2]', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 80 })
  fc.assert(fc.property(gaps, fc.nat(1_000), fc.nat(5_000), (differences, grace, later) => {
    let time = 0
    const times = differences.map(gap => (time += gap))
    const family = familyOf(times)
    const positions = times.map((_, generation) =>
      positionOf(generation, family, { grace, now: time + later })
    )
    assert.equal(positions.at(-1), 'newest')
    if (positions.length > 1) assert.equal(positions.at(-2), 'copy')
    // Once a token is reused, so are all older ones.
    const old = positions.slice(0, -2)
    assert.deepEqual([...old].sort().reverse(), old)
    for (const [generation, position] of old.entries()) {
      const usedAt = times[generation + 2] ?? 0
      const known = times.slice(-maxGenerations)[0] ?? 0
      assert.equal(position, time + later - Math.max(usedAt, known) <= grace ? 'copy' : 'reused')
    }
  }))
})

test('positionOf() is copy for a token that was refused, until the grace after the next refresh [field:S2]', () => {
  const refused = { ...familyOf([0, 10, 20, 30]), refused: { generation: 1 } }
  assert.equal(positionOf(1, refused, { grace: 600, now: 1e9 }), 'copy')
  assert.equal(positionOf(0, refused, { grace: 600, now: 1e9 }), 'reused')
  const next = { ...refused, generation: 4, ...nextTimes(refused, { grace: 600, now: 1e6 }) }
  assert.equal(positionOf(1, next, { grace: 600, now: 1e6 + 600 }), 'copy')
  const later = { ...next, generation: 5, ...nextTimes(next, { grace: 600, now: 1e6 + 500 }) }
  assert.equal(positionOf(1, later, { grace: 600, now: 1e6 + 601 }), 'reused')
  assert.equal(nextTimes(later, { grace: 600, now: 1e6 + 601 }).refused, undefined)
})
