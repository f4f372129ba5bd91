import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'
import { oidc } from 'fastify-mcp-oauth/providers'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  ...oidc({
    issuer: 'https://auth.example.com',
    clientId: 'your-client-id',
    clientSecret: process.env.CLIENT_SECRET
  }),
  setupProxies: true,
  // The provider knows one redirect URI: https://mcp.example.com/oauth/callback
  publicUrl: 'https://mcp.example.com',
  // At least 32 bytes: openssl rand -base64 32
  secret: process.env.MCP_OAUTH_SECRET,

  // Every caller needs the first. Clients may request the others too, and the scopes of tools and
  // requireMcpAuth.
  requiredScopes: ['notes:read'],
  scopes: ['notes:write'],
  consent: {
    name: 'Notes',
    logoText: '📝',
    scopes: { 'notes:read': 'Read your notes', 'notes:write': 'Add and change notes' }
  },
  // A login proves an identity. This decides which users may log in, and with which scopes.
  authorizeUser ({ claims, scopes }) {
    if (
      claims.email_verified !== true || !String(claims.email).endsWith('@example.com')
    ) { return false }
    const guest = String(claims.email).startsWith('guest.')
    return { scopes: guest ? ['notes:read'] : scopes, claims: { email: claims.email } }
  },
  mcp: { name: 'notes', tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async ({ mcpAuth }) => [`a note of ${mcpAuth?.claims?.email}`])

app.post('/notes', {
  onRequest: app.requireMcpAuth({ scopes: ['notes:write'] }),
  config: { mcp: { scopes: ['notes:write'] } },
  schema: {
    operationId: 'addNote',
    summary: 'Adds a note',
    body: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }
  }
}, async () => ({ added: true }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
