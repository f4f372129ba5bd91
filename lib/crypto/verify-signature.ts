/** Which signatures can be verified without a detour through the thread pool? */

import { constants, KeyObject, verify, type webcrypto } from 'node:crypto'
import { types } from 'node:util'
import { minRsaBits } from '../limits.ts'

type Key = webcrypto.CryptoKey

/** How node:crypto verifies, and for keys of which kind. Ed25519 has no hash of its own. */
const schemes = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', padding: constants.RSA_PKCS1_PADDING },
  PS256: { name: 'RSA-PSS', padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  ES256: { name: 'ECDSA', dsaEncoding: 'ieee-p1363' },
  EdDSA: { name: 'Ed25519' },
  Ed25519: { name: 'Ed25519' }
} as const

const prepared = new WeakMap<Key, { alg: string, key: KeyObject }>()

/**
 * Verifies a signature in this thread. WebCrypto takes up to three times as long for it.
 *
 * @param alg a JWS algorithm (RFC 7518 §3.1)
 * @param signed the encoded header and payload, in ASCII
 * @returns false also for algorithms and keys that it does not know
 */
export function isSignatureValid (alg: string, key: unknown, signed: string, signature: Buffer) {
  if (!Object.hasOwn(schemes, alg) || !types.isCryptoKey(key)) return false
  const { name, ...options } = schemes[alg as keyof typeof schemes]
  let known = prepared.get(key)
  if (known?.alg !== alg) {
    if (!isFor(name, key)) return false
    known = { alg, key: KeyObject.from(key) }
    prepared.set(key, known)
  }
  const hash = name === 'Ed25519' ? null : 'sha256'
  try {
    return verify(hash, Buffer.from(signed, 'latin1'), { ...options, key: known.key }, signature)
  } catch {
    return false
  }
}

/** Whether a key is one that WebCrypto and the JOSE library accept for an algorithm. */
function isFor (name: string, { type, usages, algorithm }: Key) {
  const { hash, namedCurve = 'P-256', modulusLength = minRsaBits } = algorithm as {
    hash?: { name: string }
    namedCurve?: string
    modulusLength?: number
  }
  return type === 'public' && usages.includes('verify') && algorithm.name === name &&
    (hash === undefined || hash.name === 'SHA-256') && namedCurve === 'P-256' &&
    modulusLength >= minRsaBits
}
