import Fastify from 'fastify'
import { introspectionVerifier, jwtVerifier, mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  publicUrl: 'https://mcp.example.com',
  tokens: [
    // Employees: JWTs, checked with the published keys.
    jwtVerifier({ issuer: 'https://login.example.com', log: app.log }),
    // Partners: opaque tokens, about each of which their issuer is asked.
    introspectionVerifier({
      issuer: 'https://partners.example.com',
      clientId: 'mcp-server',
      clientSecret: process.env.INTROSPECTION_SECRET,
      log: app.log
    })
  ],
  requiredScopes: ['orders'],
  mcp: { tools: true }
})

app.get('/orders', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listOrders', summary: 'Lists the orders you may see' }
}, async ({ mcpAuth }) => [`an order of ${mcpAuth?.subject}`])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
