import { createHash, randomUUID } from 'node:crypto'
import {
  calculateJwkThumbprint,
  exportJWK,
  SignJWT,
  type CryptoKey,
  type JWK
} from 'jose'
import { generateKeyPair } from './key-pair.ts'

/** The parts of a proof that deviate from a valid one. `undefined` removes a member. */
export interface ProofParts {
  token?: string | undefined
  nonce?: string | undefined
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  /** Signs instead of the holder's key. */
  signer?: CryptoKey
}

/** The holder of a key, who signs proofs with it. */
export interface Holder {
  /** Thumbprint of the key. */
  jkt: string
  jwk: JWK
  privateKey: CryptoKey
  prove(method: string, url: string, parts?: ProofParts): Promise<string>
}

export async function createHolder (alg = 'ES256'): Promise<Holder> {
  const { publicKey, privateKey } = await generateKeyPair(alg)
  const jwk = await exportJWK(publicKey)
  return {
    jkt: await calculateJwkThumbprint(jwk),
    jwk,
    privateKey,
    async prove (
      method,
      url,
      { token, nonce, claims = {}, header = {}, signer = privateKey } = {}
    ) {
      const payload = {
        jti: randomUUID(),
        htm: method,
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        nonce,
        ath: token === undefined ? undefined : hashOf(token),
        ...claims
      }
      return await new SignJWT(withoutUndefined(payload)).setProtectedHeader(
        withoutUndefined({ typ: 'dpop+jwt', alg, jwk, ...header }) as { alg: string }
      ).sign(signer)
    }
  }
}

export function hashOf (token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function withoutUndefined (members: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(members)) as Record<string, unknown>
}
