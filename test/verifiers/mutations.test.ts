import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type JWK, createLocalJWKSet, jwtVerify } from 'jose'
import { parseCompact } from '../../lib/verifiers/claims.ts'
import { jwtVerifier } from '../../lib/verifiers/jwt.ts'
import { isCertainlyValid } from '../../lib/verifiers/sooner.ts'
import { createKeyPair } from '../support/key-pair.ts'
import { type IssuerKey, createKey, resource, startIssuer } from '../support/issuer.ts'
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

for (const alg of ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519']) {
  test(`isCertainlyValid() accepts no token that the JOSE library rejects (${alg}) [D7 J-07]`, async () => {
    const key = await createKey('one', alg)
    const options = {
      issuer: 'https://login.example.com',
      audience: [resource, 'other'],
      algorithms: ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'],
      clockTolerance: 30,
      currentDate: new Date(1_000_999)
    }
    const small = createKeyPair('rsa', { modulusLength: 1024 }).publicKey
    const claims = {
      iss: ['x', undefined, [options.issuer]],
      aud: [['other'], ['x', resource], ['x'], [[resource]], 1, null, undefined, []],
      exp: [970, 971, '2000', -1, null, undefined],
      nbf: [1_030, 1_031, '1', null, 0],
      iat: [0, 9_999, 'x', null]
    }
    const header = {
      alg: ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'none', 'HS256', 'ES384', undefined, {}],
      kid: ['two', undefined, null, 1],
      crit: [['b64'], ['x'], [], null],
      b64: [true, false]
    }
    const keys = [
      [{ ...key.jwk, use: 'enc' }],
      [{ ...key.jwk, key_ops: ['sign'] }],
      [{ ...key.jwk, alg: 'ES384' }],
      [{ ...key.jwk, alg: undefined }],
      [key.jwk, key.jwk],
      [{ ...small.export({ format: 'jwk' }), kid: 'one', alg }],
      [(await createKey('one', alg)).jwk]
    ]
    const valid = {
      header: { alg, kid: 'one' },
      claims: { iss: options.issuer, aud: resource, exp: 2_000 },
      keys: [key.jwk],
      flip: null
    }
    const cases = [
      valid,
      ...variants(valid.claims, claims).map(claims => ({ ...valid, claims })),
      ...variants(valid.header, header).map(header => ({ ...valid, header })),
      ...keys.map(keys => ({ ...valid, keys })),
      ...[0, 31, 63].map(flip => ({ ...valid, flip }))
    ]
    let accepted = 0
    for (const { header, claims, keys, flip } of cases) {
      const [head, payload] = [header, claims].map(part =>
        Buffer.from(JSON.stringify(part)).toString('base64url')
      )
      const signature = await signatureOf(`${head}.${payload}`, key, alg)
      if (flip !== null) signature.writeUInt8(signature.readUInt8(flip) ^ 1, flip)
      const token = `${head}.${payload}.${signature.toString('base64url')}`
      const set = createLocalJWKSet({ keys: keys as JWK[] })
      const parsed = parseCompact(token)
      const isAccepted = parsed !== null && await isCertainlyValid(parsed, set, options)
      const isValid = await jwtVerify(token, set, options).then(() => true, () => false)
      const label = JSON.stringify({ header, claims, keys })
      if (!isAccepted) continue
      assert.ok(isValid, label)
      accepted++
    }
    assert.ok(accepted >= 10, String(accepted))
  })
}

/** Copies of an object that differ from it in one member. */
function variants<Value extends object> (
  object: Value,
  values: Record<string, unknown[]>
): Value[] {
  return Object.entries(values).flatMap(([name, list]) =>
    list.map(value => ({ ...object, [name]: value }))
  )
}

async function signatureOf (
  signed: string,
  { privateKey }: IssuerKey,
  alg: string
): Promise<Buffer> {
  const algorithm = {
    ES256: { name: 'ECDSA', hash: 'SHA-256' },
    PS256: { name: 'RSA-PSS', saltLength: 32 }
  }[alg] ?? privateKey.algorithm
  return Buffer.from(await crypto.subtle.sign(algorithm, privateKey, Buffer.from(signed)))
}
