import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

const encodings = {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
} as const

/**
 * A new key pair. By way of text: Node.js 20 waits for ever if garbage is collected while the key
 * object of a generated pair is exported as a JWK.
 */
export function createKeyPair (
  type: 'rsa' | 'ec' | 'ed25519',
  modulusLength = 2048
): { publicKey: KeyObject, privateKey: KeyObject } {
  // Each type reads the options that it has.
  const options = { modulusLength, namedCurve: 'P-256', ...encodings }
  const { publicKey, privateKey } = generateKeyPairSync(type as 'rsa', options)
  return { publicKey: createPublicKey(publicKey), privateKey: createPrivateKey(privateKey) }
}
