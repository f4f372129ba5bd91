import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  jwtVerify,
  SignJWT
} from 'jose'
import { generateKeyPair } from '../support/key-pair.ts'
import { createSigningKeys } from '../../lib/crypto/signing-keys.ts'

const [older, newer] = [
  'an older secret, more than 32 bytes long',
  'a newer secret, more than 32 bytes long'
]
const claims = { sub: 'alice', exp: 1, gid: 'x' }

test('createSigningKeys derives the same keys on every instance and publishes only public members [F-20]', async () => {
  const [one, two] = await Promise.all([
    createSigningKeys([older], 'a'),
    createSigningKeys([older], 'a')
  ])
  assert.deepEqual(one.jwks, two.jwks)
  const [key] = one.jwks.keys
  assert.deepEqual(Object.keys(key ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  assert.equal(key?.kid, await calculateJwkThumbprint(key as never))
  assert.deepEqual(await two.read(await one.sign(claims), 0), claims)
  assert.deepEqual(decodeProtectedHeader(await one.sign(claims)), {
    alg: 'ES256',
    typ: 'at+jwt',
    kid: key?.kid
  })
})

test('createSigningKeys derives the pinned key: another derivation would invalidate all tokens in use', async () => {
  const { jwks } = await createSigningKeys([older], 'a')
  assert.equal(jwks.keys[0]?.kid, 'Y5O4GWMMsBcqlPvd3f_KvJ2YAPT70DcGQVYNGAZxlEQ')
})

test('sign makes signatures that the published keys verify', async () => {
  const keys = await createSigningKeys([older], 'a')
  const { createLocalJWKSet } = await import('jose')
  const token = await keys.sign({ ...claims, exp: 4_000_000_000 })
  assert.equal(
    (await jwtVerify(token, createLocalJWKSet(keys.jwks as never), {
      algorithms: ['ES256'],
      typ: 'at+jwt'
    })).payload.sub,
    'alice'
  )
})

test('sign uses the first secret, read accepts all listed secrets and no others [F-21]', async () => {
  const [before, rotated, after, unrelated] = await Promise.all([
    createSigningKeys([older], 'a'),
    createSigningKeys([newer, older], 'a'),
    createSigningKeys([newer], 'a'),
    createSigningKeys([older], 'b')
  ])
  const [oldToken, newToken] = [await before.sign(claims), await rotated.sign(claims)]
  assert.deepEqual([
    await rotated.read(oldToken, 0),
    await rotated.read(newToken, 0),
    await after.read(newToken, 0)
  ], [claims, claims, claims])
  assert.deepEqual([
    await after.read(oldToken, 0),
    await before.read(newToken, 0),
    await unrelated.read(oldToken, 0)
  ], [null, null, null])
  assert.deepEqual(
    rotated.jwks.keys.map(({ kid }) => kid),
    [...after.jwks.keys, ...before.jwks.keys].map(({ kid }) => kid)
  )
})

test('read rejects tokens that we did not sign [J-01 J-02 J-03 J-07]', async () => {
  const keys = await createSigningKeys([older], 'a')
  const token = await keys.sign(claims)
  const [head = '', payload = '', signature = ''] = token.split('.')
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const sign = async (header: object) =>
    await new SignJWT(claims).setProtectedHeader(header as never).sign(privateKey)
  const kid = keys.jwks.keys[0]?.kid
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  for (
    const forged of [
      '',
      'x',
      '..',
      `${head}.${payload}.`,
      `${head}.${encode({ ...claims, sub: 'root' })}.${signature}`,
      `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
      `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      await sign({ alg: 'ES256', typ: 'at+jwt', kid }),
      await sign({ alg: 'ES256', typ: 'at+jwt', jwk: await exportJWK(publicKey) }),
      await new SignJWT(claims).setProtectedHeader({
        alg: 'HS256',
        typ: 'at+jwt',
        kid: kid as string
      }).sign(new TextEncoder().encode(JSON.stringify(keys.jwks.keys[0])))
    ]
  ) assert.equal(await keys.read(forged, 0), null, forged.slice(0, 40))
})

test('createSigningKeys derives a key from every secret', async () => {
  await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const keys = await createSigningKeys([`${older} ${index}`], 'a')
    assert.deepEqual(await keys.read(await keys.sign(claims), 0), claims)
  }))
})
