import Fastify from 'fastify'
import { securityHeaders } from '../../lib/host/replies.ts'
import { announce, echo } from '../frame/contender.ts'
import { startIssuer } from '../frame/issuer.ts'

// A Fastify route for this one call. No MCP server on Fastify can be faster.

interface Call {
  id: number
  params: { arguments: { text: string } }
}

const app = Fastify()
app.post('/mcp', async (request, reply) => {
  // So that the responses have the same bytes.
  reply.headers(securityHeaders)
  const { id, params } = request.body as Call
  return {
    result: { content: [{ type: 'text', text: echo(params.arguments.text) }] },
    jsonrpc: '2.0',
    id
  }
})
const { mint } = await startIssuer()
announce(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`, [await mint()])
