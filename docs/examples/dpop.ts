import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  secret: process.env.MCP_OAUTH_SECRET,
  // Clients that have a key get tokens that are worth nothing without it. Other clients get
  // bearer tokens; with 'require' they get none.
  dpop: 'accept',
  mcp: { tools: true }
})

app.get(
  '/items',
  {
    // As a tool it goes by the proof of the MCP request. Called by itself it needs one for
    // https://mcp.example.com/items.
    onRequest: app.requireMcpAuth(),
    schema: { operationId: 'listItems', summary: 'Lists the items' }
  },
  async ({ mcpAuth }) => ({ items: ['one', 'two'], bound: mcpAuth?.claims?.['cnf'] !== undefined })
)

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
