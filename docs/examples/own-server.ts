import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify from 'fastify'
import { mcpOAuth, type McpAuth } from 'fastify-mcp-oauth'

const server = new McpServer({ name: 'greeter', version: '1.0.0' })

// One server for all callers: who is calling is in authInfo, which is what request.mcpAuth is in a
// route.
server.registerTool('greet', { description: 'Greets you by name' }, async ({ authInfo }) => ({
  content: [{
    type: 'text',
    text: `Hello, ${(authInfo as McpAuth | undefined)?.subject ?? 'whoever you are'}`
  }]
}))

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  mcp: { server }
})

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
