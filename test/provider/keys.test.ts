import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalJWKSet, exportJWK, SignJWT } from 'jose'
import { generateKeyPair } from '../support/key-pair.ts'
import { asymmetricAlgorithms } from '../../lib/oauth/public-keys.ts'
import { joseVerify, verifySignature } from '../../lib/provider/keys.ts'

test('verifySignature accepts and rejects the same ID tokens as jose, with the same errors', async () => {
  const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']
  const pairs = await Promise.all(
    algorithms.map(async alg => ({ alg, ...await generateKeyPair(alg) }))
  )
  const set = createLocalJWKSet({
    keys: await Promise.all(
      pairs.map(async ({ alg, publicKey }) => ({ ...await exportJWK(publicKey), alg, kid: alg }))
    )
  })
  const options = { algorithms: [...asymmetricAlgorithms] }
  const outcomeOf = async (verify: typeof verifySignature, token: string, accepted = options) =>
    await verify(token, set, accepted).then(
      () => 'accepted',
      ({ name, code, message }) => ({ name, code, message })
    )
  const tokens: string[] = ['', 'x', '..', 'e30.e30.', 'e30.e30.x', '!.!.!']
  const first = []
  for (const { alg, privateKey } of pairs) {
    const sign = (header: object) =>
      new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg, ...header }).sign(privateKey)
    const token = await sign({ kid: alg })
    const [head = '', payload = '', signature = ''] = token.split('.')
    first.push(token)
    tokens.push(
      token,
      await sign({}),
      await sign({ kid: 'unknown' }),
      await sign({ kid: 'ES256' }),
      `${head}.${Buffer.from('{"sub":"root"}').toString('base64url')}.${signature}`,
      `${head}.${payload}.`,
      `${head}.${payload}.${Buffer.alloc(64).toString('base64url')}`,
      `${head}.${payload}.!${signature}`,
      `${head}.${payload}.${signature}=`,
      `${token}.x`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.${signature}`
    )
  }
  for (const token of tokens) {
    assert.deepEqual(await outcomeOf(verifySignature, token), await outcomeOf(joseVerify, token))
  }
  for (const token of first) {
    assert.equal(await outcomeOf(verifySignature, token), 'accepted')
    // An algorithm that is not allowed, though there is a key for it.
    const others = { algorithms: ['RS512'] }
    assert.deepEqual(
      await outcomeOf(verifySignature, token, others),
      await outcomeOf(joseVerify, token, others)
    )
  }
})
