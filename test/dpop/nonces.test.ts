import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNonces, nonceLifetime } from '../../lib/dpop/verifier.ts'

const start = 1_700_000_040

test('createNonces hands out a nonce for two minutes and accepts it for two more [EX-04]', () => {
  const nonces = createNonces(['a secret'])
  const [first = ''] = nonces(start)
  assert.match(first, /^[\w-]{22}$/)
  // Windows are multiples of two minutes: this one began at `start`.
  for (
    const [after, issued, valid] of [
      [-31, false, false],
      [-30, false, true],
      [-1, false, true],
      [0, true, true],
      [119, true, true],
      [120, false, true],
      [239, false, true],
      [240, false, false]
    ] as const
  ) {
    assert.equal(nonces(start + after)[0] === first, issued, `${after}`)
    assert.equal(nonces(start + after).includes(first), valid, `${after}`)
  }
  // A used proof is stored for as long as its nonce is valid, on clocks half a minute apart.
  assert.ok(nonceLifetime >= 240 + 30 + 30)
})

test('createNonces derives the same nonces from the same secret, also while it rotates [EX-04]', () => {
  const [old, both, next] = [['old'], ['new', 'old'], ['new']].map(secrets =>
    createNonces(secrets)(start)
  )
  assert.deepEqual(createNonces(['old'])(start), old)
  assert.equal(
    new Set([...old ?? [], ...next ?? []]).size,
    (old?.length ?? 0) + (next?.length ?? 0)
  )
  assert.deepEqual(both, [...next ?? [], ...old ?? []])
})
