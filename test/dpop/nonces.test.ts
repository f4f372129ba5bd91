import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNonces, nonceLifetime } from '../../lib/dpop/nonces.ts'

const start = 1_700_000_040

test('a nonce is handed out for two minutes, and is good for two more [EX-04]', () => {
  const nonces = createNonces(['a secret'])
  const [first = ''] = nonces(start)
  assert.match(first, /^[\w-]{22}$/)
  // Windows are multiples of two minutes: this one began at `start`.
  for (
    const [after, handedOut, good] of [
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
    assert.equal(nonces(start + after)[0] === first, handedOut, `${after}`)
    assert.equal(nonces(start + after).includes(first), good, `${after}`)
  }
  // Also by clocks that differ by half a minute, what was used is remembered as long as it could be
  // used.
  assert.ok(nonceLifetime >= 240 + 30 + 30)
})

test('whoever has the secret makes the same nonces, while it is rotated too [EX-04]', () => {
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
