import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { announce } from '../contender.ts'
import { createEchoServer } from '../echo-server.ts'

// This plugin with an McpServer for all callers, or, with the argument `per-request`, one for each
// request. No guard.

const app = Fastify()
await app.register(mcpOAuth, {
  auth: false,
  mcp: { server: process.argv[2] === 'per-request' ? createEchoServer : createEchoServer() }
})
announce(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`)
