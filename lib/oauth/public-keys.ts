/** Can a JWK verify signatures, and with which algorithms? */

import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { maxRsaBits, minRsaBits } from '../limits.ts'

/** Accepted signature algorithms of each key type. None is symmetric (RFC 8725 §3.1). */
const algorithms = {
  rsa: ['RS256', 'PS256'],
  ec: ['ES256'],
  ed25519: ['EdDSA', 'Ed25519']
} as const

/** Accepted algorithms of foreign signatures, unless the operator sets others. */
export const signatureAlgorithms: readonly string[] = Object.values(algorithms).flat()

/** All algorithms that are not symmetric: a provider may sign with each of them. */
export const asymmetricAlgorithms: readonly string[] = (
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 ML-DSA-44 ' +
  'ML-DSA-65 ML-DSA-87'
).split(' ')

/** Members that only private and symmetric keys have (RFC 7518 §6, RFC 9964 §3). */
export const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Returns the name of a secret member that a JWK has, if any. */
export function secretMemberOf (key: object) {
  return secretMembers.find(name => name in key)
}

/**
 * Checks that a JWK is a public key for signatures.
 *
 * @returns the problem as the end of a sentence, without values of the key, or null
 */
export function publicKeyProblem (key: object) {
  const secret = secretMemberOf(key)
  if (secret !== undefined) {
    return `has the member ${secret}, which only private and symmetric keys have. ` +
      'Give the public key alone'
  }
  const { use = 'sig', key_ops: uses = ['verify'], alg } = key as Record<string, unknown>
  if (use !== 'sig' || !Array.isArray(uses) || !uses.includes('verify')) {
    return 'is not for signatures. ' +
      "Its members use and key_ops must be 'sig' and ['verify'], or left out"
  }
  const accepted = algorithmsOf(key)
  if (accepted.length === 0) {
    return 'is not a usable public key. ' +
      `Expected is RSA of ${minRsaBits} to ${maxRsaBits} bits, EC P-256, or OKP Ed25519`
  }
  return alg === undefined || accepted.includes(String(alg))
    ? null
    : `has an alg that does not fit. Expected is ${accepted.join(' or ')}, or none`
}

function algorithmsOf (key: object): readonly string[] {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = createPublicKey({
      key: key as JsonWebKey,
      format: 'jwk'
    })
    const { modulusLength: bits = minRsaBits, publicExponent = 65537n, namedCurve = 'prime256v1' } =
      details
    // Verifying with a large key of a stranger costs us more than them.
    const isUsable = bits >= minRsaBits && bits <= maxRsaBits && publicExponent <= 0xffffffffn &&
      namedCurve === 'prime256v1'
    return isUsable ? algorithms[type as 'rsa'] ?? [] : []
  } catch {
    return []
  }
}
