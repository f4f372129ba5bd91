import Fastify from 'fastify'
import { mcpOAuth } from '../../lib/index.ts'
import { announce, echo } from '../contender.ts'

// This plugin with a route as the tool. No guard.

const app = Fastify()
await app.register(mcpOAuth, { auth: false, mcp: { tools: true } })
app.post('/echo', {
  schema: {
    operationId: 'echo',
    body: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
  } as object
}, async (request) => echo((request.body as { text: string }).text))
announce(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`)
