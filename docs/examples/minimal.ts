import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

// Before the routes, and awaited: only routes added later can become tools.
await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  mcp: { name: 'notes', tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: {
    operationId: 'listNotes',
    summary: 'Lists your notes',
    response: {
      200: { type: 'object', properties: { notes: { type: 'array', items: { type: 'string' } } } }
    }
  }
}, async (request) => ({ notes: [`A note of ${request.mcpAuth?.subject}`] }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
