import Fastify, { type FastifyRequest } from 'fastify'
import { McpOAuthError, mcpOAuth } from 'fastify-mcp-oauth'

/** Your own session table, say. */
const sessions = new Map([['a-session-token', { userId: 'alice', admin: false }]])

/**
 * Runs before the MCP route. What it returns is merged into `request.mcpAuth`; what it throws
 * decides the answer.
 */
async function authenticate ({ headers }: FastifyRequest) {
  const [, token = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? []
  const session = sessions.get(token)
  if (!session) throw new McpOAuthError('invalidToken')
  return session
}

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  dependencies: [authenticate],
  mcp: { tools: true }
})

app.get('/me', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'whoAmI', summary: 'Says who you are' }
}, async ({ mcpAuth }) => ({ userId: mcpAuth?.['userId'] }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
