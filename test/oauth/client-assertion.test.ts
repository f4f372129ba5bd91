import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertionProblem, subjectOf } from '../../lib/oauth/client-authentication.ts'

const now = 1_000_000
const valid = { aud: 'https://mcp.example.com', exp: now + 60, iat: now, jti: 'x' }

function problem (claims: object, header: object = {}): string | null {
  return assertionProblem(header, { ...valid, ...claims }, now)
}

test('assertionProblem checks what a signature does not prove [T-28]', () => {
  for (
    const claims of [{}, { iat: undefined }, { exp: now + 330 }, { exp: now - 30 }, {
      iat: now + 30
    }, { jti: 'x'.repeat(512) }]
  ) assert.equal(problem(claims), null, JSON.stringify(claims))
  const invalid: Array<[object, RegExp]> = [
    [{ aud: [valid.aud] }, /audience/],
    [{ aud: undefined }, /audience/],
    [{ exp: now + 331 }, /300 seconds/],
    [{ exp: undefined }, /300 seconds/],
    [{ iat: now + 31 }, /future/],
    [{ jti: undefined }, /jti/],
    [{ jti: '' }, /jti/],
    [{ jti: 1 }, /jti/],
    [{ jti: ['x'] }, /jti/],
    [{ jti: 'x'.repeat(513) }, /jti/]
  ]
  for (const [claims, reason] of invalid) {
    assert.match(problem(claims) ?? '', reason, JSON.stringify(claims))
  }
})

test('assertionProblem accepts no typ, and the typ of assertions [T-28]', () => {
  for (const typ of [undefined, 'JWT', 'jwt', 'client-authentication+jwt']) {
    assert.equal(problem({}, { typ }), null)
  }
  for (const typ of ['at+jwt', 'dpop+jwt', 'oauth-id-jag+jwt', '', 1, null, ['JWT']]) {
    assert.match(problem({}, { typ }) ?? '', /typ/, String(typ))
  }
})

test('subjectOf returns the client that an assertion names, or undefined', () => {
  const assertion = (claims: string) => `x.${Buffer.from(claims).toString('base64url')}.x`
  assert.equal(subjectOf(assertion('{"sub":"é"}')), 'é')
  for (
    const text of [
      '',
      'x',
      'x.y',
      assertion(''),
      assertion('null'),
      assertion('[]'),
      assertion('{"sub":1}'),
      assertion('{"__proto__":{"sub":"x"}}')
    ]
  ) assert.equal(subjectOf(text), undefined, text)
})
