import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  // A custom authorization server. Only Okta can verify the tokens of its org server
  // (no /oauth2/…).
  issuer: 'https://your-org.okta.com/oauth2/default',
  clientId: 'your-okta-client-id',
  clientSecret: process.env.OKTA_CLIENT_SECRET,
  // Requested from Okta at every login. Your own scopes must exist there.
  defaultScope: 'openid profile email api:read',
  setupProxies: true,
  secret: process.env.MCP_OAUTH_SECRET,
  publicUrl: 'https://mcp.example.com',
  mcp: { tools: true }
})

app.get('/items', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
