import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { afterRefresh, positionOf, type Family } from '../../lib/broker/families.ts'
import { maxUses } from '../../lib/limits.ts'

const grace = 600

/** The family after these uses of its tokens, each of which issues the next generation. */
function familyOf (uses: ReadonlyArray<[generation: number, now: number]>): Family {
  const first: Family = { id: 'grant', generation: 0, upstream: {}, uses: [] }
  return uses.reduce((family, [generation, now]) => next(family, generation, now), first)
}

function next (family: Family, generation: number, now: number): Family {
  return {
    ...family,
    generation: family.generation + 1,
    ...afterRefresh(generation, family, { grace, now })
  }
}

const inOrder = familyOf([[0, 10], [1, 20], [2, 30]])

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
    assert.equal(positionOf(generation, inOrder, { grace, now }), position)
  })
}

test('positionOf() is newest for a grant that the store does not know [field:S2]', () => {
  assert.equal(positionOf(7, null, { grace: 0, now: 0 }), 'newest')
})

test('positionOf() is copy while processes use no later token, however often they come [field:S2]', () => {
  const family = familyOf([[0, 10], [0, 7_000], [0, 14_000], [0, 21_000]])
  for (const generation of [0, 1, 2, 3]) {
    assert.equal(positionOf(generation, family, { grace, now: 1e9 }), 'copy')
  }
  const used = next(family, 2, 30_000)
  const positions = [0, 1, 2, 3, 4].map(generation =>
    positionOf(generation, used, { grace, now: 30_601 })
  )
  assert.deepEqual(positions, ['reused', 'reused', 'copy', 'copy', 'copy'])
})

test('positionOf() takes a token for theft once a later one is used, and the grace is over [field:S2]', () => {
  const steps = fc.array(
    fc.record({ gap: fc.integer({ min: 0, max: 2_000 }), behind: fc.nat(4) }),
    { minLength: 1, maxLength: 80 }
  )
  fc.assert(fc.property(steps, fc.nat(1_000), fc.nat(5_000), (list, grace, later) => {
    let time = 0
    const uses = list.map(({ gap, behind }, newest): [number, number] => {
      time += gap
      return [Math.max(0, newest - behind), time]
    })
    const family = familyOf(uses)
    const now = time + later
    const firsts = uses.filter(([used], index) =>
      uses.slice(0, index).every(([earlier]) => earlier < used)
    )
    const [, known = 0] = firsts.slice(-maxUses)[0] ?? []
    for (let generation = 0; generation < family.generation; generation++) {
      const [, usedAt = Infinity] = firsts.find(([used]) => used > generation) ?? []
      const expected = now - Math.max(usedAt, known) <= grace ? 'copy' : 'reused'
      assert.equal(positionOf(generation, family, { grace, now }), expected)
    }
    assert.equal(positionOf(family.generation, family, { grace, now }), 'newest')
  }))
})

test('positionOf() is copy for a token that was refused, until the grace after the next refresh [field:S2]', () => {
  const refused = { ...inOrder, failedCopy: { generation: 1 } }
  assert.equal(positionOf(1, refused, { grace, now: 1e9 }), 'copy')
  assert.equal(positionOf(0, refused, { grace, now: 1e9 }), 'reused')
  const once = next(refused, 3, 1e6)
  assert.equal(positionOf(1, once, { grace, now: 1e6 + 600 }), 'copy')
  const twice = next(once, 4, 1e6 + 500)
  assert.equal(positionOf(1, twice, { grace, now: 1e6 + 601 }), 'reused')
  assert.equal(afterRefresh(5, twice, { grace, now: 1e6 + 601 }).failedCopy, undefined)
})
