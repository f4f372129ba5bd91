import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  // A custom authorization server. Okta's org server (no /oauth2/…) does as well, as long as nobody
  // else has to check its tokens.
  issuer: 'https://your-org.okta.com/oauth2/default',
  clientId: 'your-okta-client-id',
  clientSecret: process.env.OKTA_CLIENT_SECRET,
  // Asked of Okta at every login. A scope of yours has to exist there.
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
