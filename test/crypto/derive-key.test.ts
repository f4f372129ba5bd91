import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveKey } from '../../lib/crypto/derive-key.ts'

const secret = 'a secret of at least thirty-two bytes'

test('deriveKey returns the same key for the same secret and purpose', () => {
  assert.deepEqual(deriveKey(secret, 'a'), deriveKey(secret, 'a'))
  assert.equal(deriveKey(secret, 'a').length, 32)
})

test('deriveKey returns the pinned key: another derivation would invalidate all values in use', () => {
  assert.equal(
    Buffer.from(deriveKey(secret, 'seal:client')).toString('hex'),
    '8605ef6f3920ae0f5aaa980888b620c4ab12732e0f3c94df1022adc9ea4f427d'
  )
})

test('deriveKey returns another key for another purpose or secret', () => {
  const keys = [
    deriveKey(secret, 'a'),
    deriveKey(secret, 'b'),
    deriveKey(secret, ''),
    deriveKey(`${secret} `, 'a')
  ].map((key) => Buffer.from(key).toString('hex'))
  assert.equal(new Set(keys).size, keys.length)
  assert.ok(keys.every((key) => !key.includes(Buffer.from(secret).toString('hex').slice(0, 16))))
})
