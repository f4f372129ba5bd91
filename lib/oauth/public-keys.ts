import { createPublicKey, type JsonWebKey } from 'node:crypto'

/** What a key of each type can sign with. None is symmetric (RFC 8725 §3.1). */
const algorithms = {
  rsa: ['RS256', 'PS256'],
  ec: ['ES256'],
  ed25519: ['EdDSA', 'Ed25519']
} as const

/** Algorithms a signature of somebody else may have, unless the operator says otherwise. */
export const signatureAlgorithms: readonly string[] = Object.values(algorithms).flat()

/** Members that only private and shared keys have (RFC 7518 §6, RFC 9964 §3). */
export const secretMembers: readonly string[] = [
  'd',
  'p',
  'q',
  'dp',
  'dq',
  'qi',
  'oth',
  'k',
  'priv'
]

/**
 * Says why a JWK verifies no signature here, as an end of a sentence, or `null` if it does. What it
 * holds is not repeated.
 */
export function publicKeyProblem (key: object): string | null {
  const secret = secretMembers.find((name) => name in key)
  if (
    secret !== undefined
  ) {
    return `has the member ${secret}, which only private and symmetric keys have. Give the public key alone`
  }
  const { use = 'sig', key_ops: uses = ['verify'], alg } = key as Readonly<Record<string, unknown>>
  if (
    use !== 'sig' || !Array.isArray(uses) || !uses.includes('verify')
  ) {
    return "is not for signatures. Its members use and key_ops must be 'sig' and ['verify'], or left out"
  }
  const fitting = algorithmsOf(key)
  if (
    fitting.length === 0
  ) {
    return 'is no usable public key. Expected is RSA of 2048 to 4096 bits, EC P-256, or OKP Ed25519'
  }
  return alg === undefined || fitting.includes(String(alg))
    ? null
    : `has an alg that is not accepted of it. Expected is ${fitting.join(' or ')}, or none`
}

function algorithmsOf (key: object): readonly string[] {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = createPublicKey({
      key: key as JsonWebKey,
      format: 'jwk'
    })
    const { modulusLength = 2048, publicExponent = 65537n, namedCurve = 'prime256v1' } = details
    // Keys of strangers are among them: large ones cost us more than them.
    const fitting = modulusLength >= 2048 && modulusLength <= 4096 &&
      publicExponent <= 0xffffffffn &&
      namedCurve === 'prime256v1'
    return fitting ? algorithms[type as 'rsa'] ?? [] : []
  } catch {
    return []
  }
}
