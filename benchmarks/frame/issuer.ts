import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT, exportJWK } from 'jose'
import { generateKeyPair } from '../../test/support/key-pair.ts'

// An issuer of JWTs in the process of a contender.

export const audience = 'https://mcp.example.com'

/** @param alg the algorithm of its tokens */
export async function startIssuer (alg = 'RS256') {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'one', alg }] }
  const server = createServer(publish).unref()
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  function publish (request: IncomingMessage, response: ServerResponse): void {
    const document = request.url === '/jwks'
      ? jwks
      : {
        issuer,
        jwks_uri: `${issuer}/jwks`,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256']
      }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
  }

  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    /** Makes an access token; each number gives another one. */
    mint: (number = 0, claims: Record<string, unknown> = {}) =>
      new SignJWT({ scope: 'openid profile', client_id: 'bench', jti: `${number}`, ...claims })
        .setProtectedHeader({ alg, kid: 'one', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject('user')
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey)
  }
}
