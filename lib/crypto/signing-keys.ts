/** With which keys do we sign access tokens? */

import { createECDH } from 'node:crypto'
import { calculateJwkThumbprint, createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose'
import type { JWK, JWTVerifyGetKey } from 'jose'
import { tokenSkewSeconds } from '../limits.ts'
import { deriveKey } from './derive-key.ts'

/** The keys of our access tokens, derived from the secrets: all instances have the same. */
export interface SigningKeys {
  /** Signs an access token (RFC 9068 §2): ES256, `typ: at+jwt`, `kid`. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
  /** Returns the claims of an unexpired token that we signed; null for anything else. */
  read(token: string, now: number): Promise<Readonly<Record<string, unknown>> | null>
  /** Public keys (RFC 7517), the current one first. */
  readonly jwks: { readonly keys: readonly JWK[] }
  /** Finds the key that verifies a token. */
  readonly find: JWTVerifyGetKey
}

/** @param context keeps registrations with the same secret apart */
export async function createSigningKeys (
  secrets: readonly string[],
  context: string
): Promise<SigningKeys> {
  const pairs = await Promise.all(secrets.map(secret => keyPair(secret, context)))
  const [current] = pairs
  if (current === undefined) throw new TypeError('no secret')
  const key = await importJWK(current.privateKey, 'ES256')
  const jwks = { keys: pairs.map(({ publicKey }) => publicKey) }
  const find = createLocalJWKSet({ keys: [...jwks.keys] })
  return {
    jwks,
    find,
    async read (token, now) {
      try {
        return (await jwtVerify(token, find, {
          algorithms: ['ES256'],
          typ: 'at+jwt',
          currentDate: new Date(now * 1000),
          clockTolerance: tokenSkewSeconds
        })).payload
      } catch {
        return null
      }
    },
    sign: (claims) =>
      new SignJWT({ ...claims }).setProtectedHeader({
        alg: 'ES256',
        typ: 'at+jwt',
        kid: current.publicKey.kid as string
      }).sign(key)
  }
}

async function keyPair (
  secret: string,
  context: string
): Promise<{ privateKey: JWK, publicKey: JWK }> {
  const ecdh = createECDH('prime256v1')
  let d = deriveKey(secret, `sign:0:${context}`)
  // One in 2^32 values is no private key of the curve. Then the next one is tried.
  for (let attempt = 1;; attempt++) {
    try {
      ecdh.setPrivateKey(d)
      break
    } catch {
      d = deriveKey(secret, `sign:${attempt}:${context}`)
    }
  }
  const point = ecdh.getPublicKey()
  const base = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url')
  }
  const published = { alg: 'ES256', use: 'sig', kid: await calculateJwkThumbprint(base) }
  // Not the private key that ECDH returns: it lacks leading zeros, and a JWK has all 32 bytes
  // (RFC 7518 §6.2.2.1).
  return {
    privateKey: { ...base, ...published, d: Buffer.from(d).toString('base64url') },
    publicKey: { ...base, ...published }
  }
}
