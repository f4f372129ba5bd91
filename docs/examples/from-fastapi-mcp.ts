import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

// FastApiMCP(app, …) stands below the routes. This stands above them.
await app.register(mcpOAuth, {
  issuer: 'https://your-auth-provider.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  headers: ['authorization', 'x-tenant-id'],
  mcp: { name: 'Items', tools: { includeTags: ['items'] } }
})

interface ById {
  Params: { item_id: number }
}

app.get<ById>('/items/:item_id', {
  // Depends(current_user)
  onRequest: app.requireMcpAuth(),
  schema: {
    operationId: 'read_item',
    tags: ['items'],
    summary: 'Reads an item',
    params: { type: 'object', properties: { item_id: { type: 'integer' } } },
    response: {
      200: {
        type: 'object',
        properties: { id: { type: 'integer' }, owner: { type: 'string' } }
      }
    }
  }
}, async ({ params, mcpAuth }) => ({ id: params.item_id, owner: mcpAuth?.subject }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 8000 })
