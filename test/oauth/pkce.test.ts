import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthorizationRequest } from '../../lib/oauth/authorization-request.ts'
import { parseAuthorizationCode } from '../../lib/oauth/token-request.ts'
import { hash } from '../../lib/util/hash.ts'

const resource = 'https://mcp.example/mcp'

function parses (parse: () => object): boolean {
  try {
    parse()
    return true
  } catch (error) {
    assert.equal((error as { kind?: unknown }).kind, 'invalidRequest')
    return false
  }
}

const form = (members: Record<string, string>) =>
  new Map(Object.entries(members).map(([name, value]) => [name, [value]]))

const isChallenge = (challenge: string) =>
  parses(() =>
    parseAuthorizationRequest(
      form({ response_type: 'code', code_challenge: challenge, code_challenge_method: 'S256' }),
      'http://127.0.0.1/cb',
      { resource, knownScopes: null }
    )
  )

const isVerifier = (verifier: string) =>
  parses(() => parseAuthorizationCode(form({ code: 'c', code_verifier: verifier }), resource))

const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

test('hash computes the code challenge of the example of RFC 7636 appendix B', () => {
  assert.equal(hash(verifier), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
  assert.ok(isVerifier(verifier) && isChallenge(hash(verifier)))
})

test('a code challenge has exactly 43 characters of base64url [A-12]', () => {
  assert.ok(isChallenge('A'.repeat(43)))
  for (
    const invalid of [
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
    assert.ok(!isChallenge(invalid), invalid)
  }
})

test('a code verifier has 43 to 128 unreserved characters [T-09]', () => {
  for (const valid of ['a'.repeat(43), 'a'.repeat(128), '-._~'.repeat(11)]) {
    assert.ok(isVerifier(valid))
  }
  for (
    const invalid of [
      '',
      'a'.repeat(42),
      'a'.repeat(129),
      `${'a'.repeat(43)}+`,
      `${'a'.repeat(43)}\n`,
      `${'a'.repeat(43)} `,
      `${'a'.repeat(43)}\0`
    ]
  ) assert.ok(!isVerifier(invalid))
})
