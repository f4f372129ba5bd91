import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  // Goes to the provider's token endpoint, and nowhere else.
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  // Clients get the provider's own tokens. Without this line they get ours: docs/broker.md.
  version: '2025-03-26',
  setupFakeDynamicRegistration: true,
  // At least 32 bytes: openssl rand -base64 32
  secret: process.env.MCP_OAUTH_SECRET,
  // Redirect URIs of clients. Register the same ones at the provider.
  allowedRedirectUris: [
    'https://claude.ai/api/mcp/auth_callback',
    'http://localhost/*',
    'http://127.0.0.1/*'
  ],
  publicUrl: 'https://mcp.example.com',
  mcp: { tools: true }
})

app.get('/items', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
