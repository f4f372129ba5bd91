import Fastify from 'fastify'
import { jwtVerifier, mcpOAuth } from 'fastify-mcp-oauth'

const issuer = 'https://auth.example.com'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  customOAuthMetadata: {
    issuer,
    authorization_endpoint: 'https://auth.example.com/oauth/authorize',
    token_endpoint: 'https://auth.example.com/oauth/token',
    registration_endpoint: 'https://auth.example.com/oauth/register',
    scopes_supported: ['read', 'write', 'admin'],
    grant_types_supported: ['authorization_code', 'refresh_token']
  },
  // Metadata say where to log in. This verifier checks the resulting tokens.
  tokens: jwtVerifier({ issuer, jwksUri: 'https://auth.example.com/oauth/jwks' }),
  mcp: { tools: true }
})

app.get('/items', {
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
