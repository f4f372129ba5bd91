import { createHash, timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyRequest } from 'fastify'
import { McpOAuthError, mcpOAuth } from 'fastify-mcp-oauth'

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const expected = sha256(process.env.API_KEY ?? '')

async function apiKeyAuth ({ headers }: FastifyRequest) {
  const key = headers['x-api-key']
  if (
    typeof key !== 'string' || key === '' || !timingSafeEqual(sha256(key), expected)
  ) { throw new McpOAuthError('invalidToken') }
}

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  dependencies: [apiKeyAuth],
  // These headers of the MCP request reach the routes below. No others do: no cookie, no other key.
  headers: ['authorization', 'x-api-key', 'x-tenant-id'],
  mcp: { tools: true }
})

app.get('/items', {
  // A tool call is a call of the route: its own checks run as they do for everyone else.
  preHandler: apiKeyAuth,
  schema: { operationId: 'listItems', summary: 'Lists the items of your tenant' }
}, async ({ headers }) => [`an item of tenant ${headers['x-tenant-id']}`])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
