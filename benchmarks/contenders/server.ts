import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify from 'fastify'
import { z } from 'zod'
import { mcpOAuth } from '../../lib/index.ts'
import { announce, echo } from '../contender.ts'

// This plugin with the user's McpServer: one for all callers, or, with the argument `per-request`,
// one for each request. No guard.

function buildServer (): McpServer {
  const server = new McpServer({ name: 'echo', version: '1.0.0' })
  server.registerTool(
    'echo',
    { inputSchema: { text: z.string() } },
    async ({ text }) => ({ content: [{ type: 'text', text: echo(text) }] })
  )
  return server
}

const app = Fastify()
await app.register(mcpOAuth, {
  auth: false,
  mcp: { server: process.argv[2] === 'per-request' ? buildServer : buildServer() }
})
announce(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`)
