import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

// Each in a scope of its own: a route belongs to the registration of the scope it is added in.
await app.register(async (v1) => {
  await v1.register(mcpOAuth, {
    issuer: 'https://legacy-auth.example.com',
    mcp: { name: 'items v1', tools: true }
  })
  v1.get('/items', {
    onRequest: v1.requireMcpAuth(),
    schema: { operationId: 'listItems', summary: 'Lists the items' }
  }, async () => ['one'])
}, { prefix: '/v1' })

await app.register(async (v2) => {
  await v2.register(mcpOAuth, {
    issuer: 'https://new-auth.example.com',
    clientId: 'new-client',
    clientSecret: process.env.CLIENT_SECRET,
    setupProxies: true,
    secret: process.env.MCP_OAUTH_SECRET,
    scopes: ['items:read'],
    mcp: { name: 'items v2', tools: true }
  })
  v2.get('/items', {
    onRequest: v2.requireMcpAuth({ scopes: ['items:read'] }),
    schema: { operationId: 'listItems', summary: 'Lists the items' }
  }, async () => ({ items: ['one', 'two'] }))
}, { prefix: '/v2' })

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
