import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publicKeyProblem, signatureAlgorithms } from '../../lib/oauth/public-keys.ts'
import { createKeyPair } from '../support/key-pair.ts'

const rsa = createKeyPair('rsa')
const ec = createKeyPair('ec')
const okp = createKeyPair('ed25519')

function jwk ({ publicKey }: Pick<typeof rsa, 'publicKey'>, more: object = {}): object {
  return { ...publicKey.export({ format: 'jwk' }), ...more }
}

test('signatureAlgorithms are asymmetric (RFC 8725 §3.1)', () => {
  assert.deepEqual(signatureAlgorithms, ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])
})

test('publicKeyProblem accepts keys that can verify a signature', () => {
  const valid = [
    ...[rsa, ec, okp].flatMap(
      pair => [jwk(pair), jwk(pair, { kid: 'x', use: 'sig', key_ops: ['verify'], x5t: 'y' })]
    ),
    jwk(rsa, { alg: 'RS256' }),
    jwk(rsa, { alg: 'PS256' }),
    jwk(ec, { alg: 'ES256' }),
    jwk(okp, { alg: 'EdDSA' }),
    jwk(okp, { alg: 'Ed25519' })
  ]
  for (const key of valid) assert.equal(publicKeyProblem(key), null, JSON.stringify(key))
  const invalid: Array<[object, RegExp]> = [
    [rsa.privateKey.export({ format: 'jwk' }), /member d,.*Give the public key alone/],
    [ec.privateKey.export({ format: 'jwk' }), /member d,/],
    [{ kty: 'oct', k: 'canary' }, /member k,/],
    [jwk(ec, { use: 'enc' }), /not for signatures/],
    [jwk(ec, { key_ops: ['sign'] }), /not for signatures/],
    [jwk(ec, { key_ops: 'verify' }), /not for signatures/],
    [jwk(ec, { alg: 'RS256' }), /alg.*Expected is ES256/],
    [jwk(rsa, { alg: 'RS512' }), /alg.*Expected is RS256 or PS256/],
    [jwk(rsa, { alg: 'none' }), /alg/],
    [jwk(rsa, { alg: 1 }), /alg/],
    [jwk(createKeyPair('rsa', { modulusLength: 1024 })), /not a usable public key/],
    [jwk(createKeyPair('ec', { namedCurve: 'P-384' })), /not a usable public key/],
    [jwk(createKeyPair('x25519')), /not a usable public key/],
    [jwk(createKeyPair('ed448')), /not a usable public key/],
    [jwk(ec, { x: 'canary' }), /not a usable public key/],
    [{ kty: 'canary' }, /not a usable public key/],
    [{ kty: 'oct' }, /not a usable public key/]
  ]
  for (const [key, problem] of invalid) {
    assert.match(publicKeyProblem(key) ?? '', problem, JSON.stringify(key))
    assert.doesNotMatch(publicKeyProblem(key) ?? '', /canary/)
  }
})
