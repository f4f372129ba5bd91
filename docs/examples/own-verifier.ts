import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import { McpOAuthError, jwtVerifier, mcpOAuth, type TokenVerifier } from 'fastify-mcp-oauth'

const issuer = 'https://auth.example.com'

/** Only hashes are kept, so that the table reveals no key. */
const owners = new Map([[process.env.CI_KEY_SHA256, 'ci']])

const apiKeys: TokenVerifier = async (token) => {
  // Another kind of token: the next verifier checks it.
  if (!token.startsWith('key_')) return null
  const clientId = owners.get(createHash('sha256').update(token).digest('hex'))
  // An unknown key: no other verifier checks it.
  if (clientId === undefined) throw new McpOAuthError('invalidToken')
  return { token, clientId, scopes: ['read'] }
}

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  // Users log in there. Machines send a key.
  issuer,
  tokens: [apiKeys, jwtVerifier({ issuer, log: app.log })],
  requiredScopes: ['read'],
  mcp: { tools: true }
})

app.get('/items', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
