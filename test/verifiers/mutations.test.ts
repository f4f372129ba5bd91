import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jwtVerifier } from '../../lib/verifiers/jwt.ts'
import { createKey, resource, startIssuer } from '../support/issuer.ts'
import { sweep } from '../support/sweep.ts'

const runs = 5_000

/** Changes a string and uses only characters that a token may contain. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant('replace' as const),
    at: fc.nat(),
    with: fc.constantFrom(...'ABCabc019-_.=+/ ~')
  }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(),
    with: fc.constantFrom(...'Aa0-_.=')
  }),
  fc.record({
    kind: fc.constant('drop' as const),
    at: fc.nat(),
    length: fc.integer({ min: 1, max: 40 })
  }),
  fc.record({ kind: fc.constant('swap' as const), part: fc.nat(2) }),
  fc.record({
    kind: fc.constant('claim' as const),
    part: fc.nat(1),
    name: fc.constantFrom(
      'iss',
      'aud',
      'exp',
      'iat',
      'nbf',
      'sub',
      'scope',
      'client_id',
      'alg',
      'kid',
      'typ',
      'crit',
      'jwk',
      '__proto__'
    ),
    value: fc.jsonValue()
  })
)

type Mutation = typeof mutation extends fc.Arbitrary<infer Value> ? Value : never

function mutated (token: string, other: string, change: Mutation): string {
  const at = 'at' in change ? change.at % token.length : 0
  switch (change.kind) {
    case 'flip':
      return token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << change.bit)) +
        token.slice(at + 1)
    case 'replace':
      return token.slice(0, at) + change.with + token.slice(at + 1)
    case 'insert':
      return token.slice(0, at) + change.with + token.slice(at)
    case 'drop':
      return token.slice(0, at) + token.slice(at + change.length)
    case 'swap':
      return token.split('.').map((part, index) =>
        index === change.part ? other.split('.')[index] : part
      ).join('.')
    case 'claim':
      return token.split('.').map((part, index) => {
        if (index !== change.part) return part
        const content = JSON.parse(Buffer.from(part, 'base64url').toString())
        return Buffer.from(JSON.stringify({ ...content, [change.name]: change.value })).toString(
          'base64url'
        )
      }).join('.')
  }
}

for (const alg of ['ES256', 'RS256', 'EdDSA']) {
  test(`jwtVerifier rejects every changed token (${alg}) [D7 J-07 J-13 J-14 J-19 L6]`, async (t) => {
    const issuer = await startIssuer()
    t.after(issuer.close)
    const key = await createKey('one', alg)
    issuer.jwks = { keys: [key.jwk] }
    const verify = jwtVerifier({ issuer: issuer.issuer, cacheFor: 0 })
    const context = { resource, now: Math.floor(Date.now() / 1000) }
    const [token, other] = await Promise.all([
      issuer.mint({ sub: 'alice' }, { key }),
      issuer.mint({ sub: 'bob', scope: 'admin' }, { key })
    ])
    assert.ok(await verify(token, context))
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (changes) => {
        const changed = changes.reduce((text, change) => {
          try {
            return mutated(text, other, change)
          } catch {
            return text
          }
        }, token)
        if (changed === token || changed === other) return
        const caller = await verify(changed, context).catch((error: { kind?: string }) => {
          assert.equal(error.kind, 'invalidToken')
          return null
        })
        assert.equal(caller, null, changed)
      }),
      { numRuns: sweep(runs) }
    )
  })
}
