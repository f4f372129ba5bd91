import { createECDH } from 'node:crypto'
import { calculateJwkThumbprint, createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose'
import type { JWK, JWTVerifyGetKey } from 'jose'
import { deriveKey } from './derive-key.ts'

/**
 * The keys our access tokens are signed with. Derived from the secrets, so that every instance has
 * them and none stores them.
 */
export interface SigningKeys {
  /** Signs an access token (RFC 9068 §2): ES256, `typ: at+jwt`, `kid`. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
  /** The claims of a token we signed that has not expired; null for anything else. */
  read(token: string, now: number): Promise<Readonly<Record<string, unknown>> | null>
  /** Public keys (RFC 7517), the current one first. */
  readonly jwks: { readonly keys: readonly JWK[] }
  /** For verification. */
  readonly find: JWTVerifyGetKey
}

/**
 * @param context what else the keys depend on: registrations that share a secret do not share keys
 */
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
          clockTolerance: 30
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
  // One in 2^32 values is not a private key of the curve; the next one is.
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
  // Not what the curve gives back: that has lost the zeros at its front, and JWK wants all 32 bytes
  // (RFC 7518 §6.2.2.1).
  return {
    privateKey: { ...base, ...published, d: Buffer.from(d).toString('base64url') },
    publicKey: { ...base, ...published }
  }
}
