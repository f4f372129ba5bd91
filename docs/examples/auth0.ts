import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  // With the slash at the end: Auth0 writes its issuer so, and issuers are compared byte for byte.
  issuer: 'https://your-tenant.auth0.com/',
  clientId: 'your-auth0-client-id',
  clientSecret: process.env.AUTH0_CLIENT_SECRET,
  // The identifier of your API, for tools that call it with the provider's token. The login itself
  // needs none.
  audience: 'https://your-api.example.com',
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
