import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecretOf } from '../../lib/oauth/client-authentication.ts'

// SHA-256 of `abc` (FIPS 180-4) and of the empty string.
const hash = 'sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0'
const emptyHash = 'sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'

test('isSecretOf matches the hash of a secret at any place of the list [T-10 T-13]', () => {
  for (const hashes of [[hash], [emptyHash, hash], [hash, emptyHash], [hash, hash]]) {
    assert.equal(isSecretOf(hashes, 'abc'), true)
  }
  for (
    const secret of ['abd', 'abc ', 'ABC', 'ab', '', hash, hash.slice(7), 'ab\u0063\u0301']
  ) { assert.equal(isSecretOf([hash], secret), false, secret) }
  assert.equal(isSecretOf([], 'abc'), false)
})
