import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { SignJWT } from 'jose'
import { newKey, type KeyPair } from './machines.ts'

/** An issuer of identity assertions and workload tokens, which publishes its keys. */
export interface AssertionIssuer {
  issuer: string
  /** How often its keys were requested. */
  loads: number
  /** Responds 503 while true. */
  isDown: boolean
  /** The keys that it publishes. */
  keys: KeyPair[]
  /** Signs a token. A claim that is `undefined` is left out. */
  sign(claims: object, header?: object, key?: KeyPair): Promise<string>
}

/** Starts an issuer on loopback, with RFC 8414 metadata and a JWK set. */
export async function startAssertionIssuer (t: TestContext): Promise<AssertionIssuer> {
  const key = newKey()
  const server = createServer(({ url = '' }, response) => {
    if (url.endsWith('/keys')) self.loads++
    response.writeHead(self.isDown ? 503 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(
      url.endsWith('/keys')
        ? { keys: self.keys.map(({ jwk, alg }, index) => ({ ...jwk, alg, kid: `key-${index}` })) }
        : { issuer: self.issuer, jwks_uri: `${self.issuer}/keys` }
    ))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const self: AssertionIssuer = {
    issuer: `http://127.0.0.1:${port}`,
    loads: 0,
    isDown: false,
    keys: [key],
    async sign (claims, header = {}, key = self.keys[0] as KeyPair) {
      const payload = JSON.parse(JSON.stringify(claims))
      const { alg, privateKey } = key
      const index = self.keys.indexOf(key)
      return await new SignJWT(payload)
        .setProtectedHeader({ alg, ...(index >= 0 && { kid: `key-${index}` }), ...header })
        .sign(privateKey)
    }
  }
  return self
}

/** The claims of a valid identity assertion, with these in place of their own. */
export function identityClaims (
  { issuer }: AssertionIssuer,
  ours: { issuer: string, resource: string, clientId: string },
  claims: object = {}
): object {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: issuer,
    sub: 'U019488227',
    aud: ours.issuer,
    client_id: ours.clientId,
    resource: ours.resource,
    scope: 'mcp:read',
    iat: now,
    exp: now + 300,
    jti: randomUUID(),
    ...claims
  }
}

export const idJag = { typ: 'oauth-id-jag+jwt' }
export const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
