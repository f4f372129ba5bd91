/** With which keys do we sign access tokens? */

import { createECDH, createPrivateKey, sign } from 'node:crypto'
import type { JWTVerifyGetKey } from 'jose'
import { tokenSkewSeconds } from '../limits.ts'
import { deriveKey } from './derive-key.ts'
import { loadJose } from './jose.ts'

export type { JWTVerifyGetKey }

type Claims = Record<string, unknown>

/** @param context keeps registrations with the same secret apart */
export async function createSigningKeys (secrets: readonly string[], context: string) {
  const { createLocalJWKSet, jwtVerify } = await loadJose()
  const pairs = await Promise.all(secrets.map(secret => keyPair(secret, context)))
  const [current] = pairs
  if (current === undefined) throw new TypeError('no secret')
  const key = createPrivateKey({ key: current.privateKey, format: 'jwk' })
  const header = encode({ alg: 'ES256', typ: 'at+jwt', kid: current.publicKey.kid })
  const keys = pairs.map(({ publicKey }) => publicKey)
  const find = createLocalJWKSet({ keys })
  return {
    /** Public keys (RFC 7517), the current one first. */
    jwks: { keys },
    /** Finds the key that verifies a token. */
    find,
    /** Returns the claims of an unexpired token that we signed; null for anything else. */
    read: (token: string, now: number) =>
      jwtVerify(token, find, {
        algorithms: ['ES256'],
        typ: 'at+jwt',
        currentDate: new Date(now * 1000),
        clockTolerance: tokenSkewSeconds
      }).then(({ payload }) => payload, () => null),
    /**
     * Signs an access token (RFC 9068 §2): ES256, `typ: at+jwt`, `kid`. In this thread: WebCrypto
     * takes more time for the way to another one than for the signature.
     */
    sign (claims: Claims) {
      const signed = `${header}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
      return `${signed}.${signature.toString('base64url')}`
    }
  }
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

async function keyPair (secret: string, context: string) {
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
  const { calculateJwkThumbprint } = await loadJose()
  const kid = await calculateJwkThumbprint(base)
  const publicKey = { ...base, alg: 'ES256', use: 'sig', kid }
  // Not the private key that ECDH returns: it lacks leading zeros, and a JWK has all 32 bytes
  // (RFC 7518 §6.2.2.1).
  return { publicKey, privateKey: { ...publicKey, d: Buffer.from(d).toString('base64url') } }
}
