import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemOfAssertion } from '../../lib/oauth/assertion-grant.ts'

const now = 1_800_000_000
const claims = {
  iss: 'https://idp.example.com',
  sub: 'alice',
  aud: 'https://mcp.example.com',
  iat: now,
  exp: now + 300,
  jti: 'x'
}
const rules = { kind: 'id-jag' as const, audiences: ['https://mcp.example.com'], now }

test('an identity assertion has its own type [EM-01]', () => {
  const problemOf = (typ: unknown) => problemOfAssertion({ typ }, claims, rules)
  for (const typ of ['oauth-id-jag+jwt', 'application/oauth-id-jag+jwt', 'OAuth-ID-JAG+JWT']) {
    assert.equal(problemOf(typ), null)
  }
  for (const typ of [undefined, 'JWT', 'at+jwt', 'oauth-id-jag', 'x/oauth-id-jag+jwt', 5, null]) {
    assert.match(String(problemOf(typ)), /typ/)
  }
})

test('an identity assertion counts from half a minute before it to half a minute after it [EM-10]', () => {
  const problemAt = (given: object) =>
    problemOfAssertion({ typ: 'oauth-id-jag+jwt' }, { ...claims, ...given }, rules)
  assert.equal(problemAt({ iat: now - 300, exp: now - 29 }), null)
  assert.match(String(problemAt({ iat: now - 300, exp: now - 30 })), /expired 30 s ago/)
  assert.equal(problemAt({ iat: now + 30 }), null)
  assert.match(String(problemAt({ iat: now + 31 })), /future/)
  assert.equal(problemAt({ nbf: now + 30 }), null)
  assert.match(String(problemAt({ nbf: now + 31 })), /not valid yet/)
  assert.equal(problemAt({ exp: now + 3_600 }), null)
  assert.match(String(problemAt({ exp: now + 3_601 })), /more than 3600 s/)
})
