import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  // Any client that reaches the port may use the tools. The log warns about it at every start.
  auth: false,
  mcp: { tools: true }
})

app.get('/time', {
  schema: { operationId: 'currentTime', summary: 'Says what time it is' }
}, async () => ({ time: new Date().toISOString() }))

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
