import {
  createHash,
  randomBytes,
  randomUUID,
  type JsonWebKey,
  type KeyObject
} from 'node:crypto'
import { SignJWT } from 'jose'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { createKeyPair } from './key-pair.ts'

/** A client secret, and its hash for the configuration. */
export function newSecret (): { secret: string, hash: string } {
  const secret = `canary-machine-secret-${randomBytes(32).toString('base64url')}`
  return { secret, hash: `sha256:${createHash('sha256').update(secret).digest('base64url')}` }
}

export interface KeyPair {
  alg: string
  privateKey: KeyObject
  jwk: JsonWebKey
}

export function newKey (alg = 'ES256'): KeyPair {
  const type = alg === 'ES256' ? 'ec' : alg === 'EdDSA' ? 'ed25519' : 'rsa'
  const { privateKey, publicKey } = createKeyPair(type)
  return { alg, privateKey, jwk: publicKey.export({ format: 'jwk' }) }
}

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * The parameters of private_key_jwt: valid, with these members in place of their own. A member that
 * is `undefined` is left out.
 */
export async function assertion (
  key: Pick<KeyPair, 'alg' | 'privateKey'>,
  clientId: string,
  audience: string,
  claims: object = {},
  header: object = {}
): Promise<Record<string, string>> {
  const now = Math.floor(Date.now() / 1000)
  const payload = JSON.parse(
    JSON.stringify({
      iss: clientId,
      sub: clientId,
      aud: audience,
      iat: now,
      exp: now + 60,
      jti: randomUUID(),
      ...claims
    })
  )
  const jwt = await new SignJWT(payload).setProtectedHeader({ alg: key.alg, ...header }).sign(
    key.privateKey
  )
  return { client_assertion_type: assertionType, client_assertion: jwt }
}

export function basic (clientId: string, secret: string): { authorization: string } {
  return {
    authorization: `Basic ${
      Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString(
        'base64'
      )
    }`
  }
}

export type ClientOptions = NonNullable<McpOAuthOptions['clients']>[number]
