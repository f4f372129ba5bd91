import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'

const credentials = {
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET as string
}

/**
 * An MCP server whose tools read the calendar of whoever is calling, from another service of the
 * house.
 */
export async function build (issuer: string, calendar: string, options: McpOAuthOptions = {}) {
  const app = Fastify({ logger: true })
  await app.register(mcpOAuth, {
    issuer,
    ...credentials,
    setupProxies: true,
    // The provider trades its token of the user for one that the calendar accepts (RFC 8693).
    // Neither clients nor routes see the provider's token.
    exchange: { calendar: { resource: calendar } },
    mcp: { tools: true },
    ...options
  })

  app.get('/events', {
    onRequest: app.requireMcpAuth(),
    schema: { operationId: 'listEvents', summary: 'Lists the events in your calendar' }
  }, async ({ mcpAuth }, reply) => {
    const token = await mcpAuth?.tokenFor?.('calendar')
    const answer = await fetch(`${calendar}/events`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(3000)
    })
    return answer.ok
      ? await answer.json()
      : await reply.code(502).send({ message: `The calendar answered ${answer.status}` })
  })
  return app
}

export const app = await build('https://auth.example.com', 'https://calendar.example.com')

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
