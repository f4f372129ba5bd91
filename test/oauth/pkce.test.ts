import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isChallenge } from '../../lib/oauth/authorization-request.ts'
import { isVerifier } from '../../lib/oauth/token-request.ts'
import { hash } from '../../lib/util/hash.ts'

const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

test('hash computes the code challenge of the example of RFC 7636 appendix B', () => {
  assert.equal(hash(verifier), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
  assert.ok(isVerifier(verifier) && isChallenge(hash(verifier)))
})

test('isChallenge accepts exactly 43 characters of base64url [A-12]', () => {
  assert.ok(isChallenge('A'.repeat(43)))
  for (
    const bad of [
      '',
      'A'.repeat(42),
      'A'.repeat(44),
      `${'A'.repeat(42)}=`,
      `${'A'.repeat(42)}+`,
      `${'A'.repeat(42)}/`,
      `${'A'.repeat(42)} `,
      `${'A'.repeat(43)}\n`,
      `${'A'.repeat(42)}é`
    ]
  ) {
    assert.ok(!isChallenge(bad), bad)
  }
})

test('isVerifier accepts 43 to 128 unreserved characters [T-09]', () => {
  for (const good of ['a'.repeat(43), 'a'.repeat(128), '-._~'.repeat(11)]) {
    assert.ok(isVerifier(good))
  }
  for (
    const bad of [
      '',
      'a'.repeat(42),
      'a'.repeat(129),
      `${'a'.repeat(43)}+`,
      `${'a'.repeat(43)}\n`,
      `${'a'.repeat(43)} `,
      `${'a'.repeat(43)}\0`
    ]
  ) assert.ok(!isVerifier(bad))
})
