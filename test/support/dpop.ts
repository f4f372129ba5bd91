import { createHash, randomUUID } from 'node:crypto'
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK
} from 'jose'

/** What a proof says, and what is to be wrong with it; `undefined` removes a member. */
export interface ProofParts {
  token?: string | undefined
  nonce?: string | undefined
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  /** Signs in place of the holder's. */
  signer?: CryptoKey
}

/** Somebody with a key. */
export interface Holder {
  /** Thumbprint of the key. */
  jkt: string
  jwk: JWK
  privateKey: CryptoKey
  prove(method: string, url: string, parts?: ProofParts): Promise<string>
}

export async function createHolder (alg = 'ES256'): Promise<Holder> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
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
      const said = {
        jti: randomUUID(),
        htm: method,
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        nonce,
        ath: token === undefined ? undefined : hashOf(token),
        ...claims
      }
      return await new SignJWT(written(said)).setProtectedHeader(
        written({ typ: 'dpop+jwt', alg, jwk, ...header }) as { alg: string }
      ).sign(signer)
    }
  }
}

export function hashOf (token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function written (members: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(members)) as Record<string, unknown>
}
