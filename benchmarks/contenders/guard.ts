import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { mcpOAuth } from '../../lib/index.ts'
import { announce } from '../contender.ts'
import { createEchoServer } from '../echo-server.ts'

// This plugin in front of an McpServer. With the argument `none` there is no guard. With `known`
// and `unknown` it verifies JWTs (RS256) of an issuer: always the same one, or always a new one.

/** More tokens than the cache of the plugin holds, so that none is cached at its next turn. */
const unknownTokens = 12_000

const { privateKey, publicKey } = await generateKeyPair('RS256')
const jwks = { keys: [{ ...await exportJWK(publicKey), kid: 'one', alg: 'RS256' }] }
const provider = createServer(publish)
await new Promise<void>((resolve) => {
  provider.listen(0, '127.0.0.1', resolve)
})
const issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`

const server = createEchoServer()
const mode = process.argv[2] ?? 'none'
const audience = 'https://mcp.example.com'
const app = Fastify()
await app.register(
  mcpOAuth,
  mode === 'none' ? { auth: false, mcp: { server } } : { issuer, audience, mcp: { server } }
)
const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`
// The unguarded server gets a token too, so that all requests have the same length.
announce(
  url,
  await Promise.all(Array.from({ length: mode === 'unknown' ? unknownTokens : 1 }, mint))
)

function publish (request: IncomingMessage, response: ServerResponse): void {
  const document = request.url === '/jwks'
    ? jwks
    : {
      issuer,
      jwks_uri: `${issuer}/jwks`,
      token_endpoint: `${issuer}/token`,
      response_types_supported: ['code']
    }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
}

function mint (_: unknown, index: number): Promise<string> {
  return new SignJWT({ scope: 'openid profile', client_id: 'bench', jti: `${index}` })
    .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'at+jwt' })
    .setIssuer(issuer).setAudience(audience).setSubject('user').setIssuedAt().setExpirationTime(
      '1h'
    )
    .sign(privateKey)
}
