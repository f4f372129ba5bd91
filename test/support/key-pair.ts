import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { importPKCS8, importSPKI, type CryptoKey } from 'jose'

// Key pairs by way of text: Node.js 20 waits for ever if garbage is collected while the key object
// of a generated pair is exported as a JWK.

interface Details {
  modulusLength?: number
  namedCurve?: string
}

function generate (type: string, details: Details) {
  const options = {
    modulusLength: 2048,
    namedCurve: 'P-256',
    ...details,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  } as const
  // Each type reads the options that it has.
  return generateKeyPairSync(type as 'rsa', options)
}

/** A new key pair of node:crypto. */
export function createKeyPair (
  type: 'rsa' | 'ec' | 'ed25519' | 'ed448' | 'x25519',
  details: Details = {}
): { publicKey: KeyObject, privateKey: KeyObject } {
  const { publicKey, privateKey } = generate(type, details)
  return { publicKey: createPublicKey(publicKey), privateKey: createPrivateKey(privateKey) }
}

/** A new key pair of WebCrypto, as jose's function of this name makes it. It can be exported. */
export async function generateKeyPair (
  alg: string
): Promise<{ publicKey: CryptoKey, privateKey: CryptoKey }> {
  const type = /^[RP]S/.test(alg) ? 'rsa' : /^ES/.test(alg) ? 'ec' : 'ed25519'
  const pair = generate(type, alg === 'ES384' ? { namedCurve: 'P-384' } : {})
  return {
    publicKey: await importSPKI(pair.publicKey, alg, { extractable: true }),
    privateKey: await importPKCS8(pair.privateKey, alg, { extractable: true })
  }
}
