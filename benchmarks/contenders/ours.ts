import { createMcpHandler } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { type McpOAuthOptions, mcpOAuth } from '../../lib/index.ts'
import { announce, echo } from '../frame/contender.ts'
import { audience, startIssuer } from '../frame/issuer.ts'
import { createEchoServer, createModernEchoServer } from './echo-server.ts'

// This plugin. Arguments: the way to serve (server, per-request, tools, handler), the guard (none,
// known: one token, unknown: another token in each request), and the number of further tools.

/** More tokens than the cache of the plugin holds, so that none is cached at its next turn. */
const unknownTokens = 12_000

const [way = 'server', guard = 'none', more = '0'] = process.argv.slice(2)

const ways: Record<string, () => NonNullable<McpOAuthOptions['mcp']>> = {
  server: () => ({ server: createEchoServer(Number(more)) }),
  'per-request': () => ({ server: () => createEchoServer(Number(more)) }),
  tools: () => ({ tools: true }),
  handler: () => ({ handler: createMcpHandler(createModernEchoServer) })
}

const { issuer, mint } = await startIssuer()
const app = Fastify()
const mcp = ways[way]?.() ?? {}
await app.register(mcpOAuth, guard === 'none' ? { auth: false, mcp } : { issuer, audience, mcp })
if (way === 'tools') {
  app.post('/echo', {
    schema: {
      operationId: 'echo',
      body: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
    } as object
  }, async (request) => echo((request.body as { text: string }).text))
  for (let number = 0; number < Number(more); number++) {
    app.get(`/tool-${number}`, {
      schema: {
        operationId: `tool-${number}`,
        querystring: { type: 'object', properties: { text: { type: 'string' } } }
      } as object
    }, async () => 'done')
  }
}
// The unguarded server gets a token too, so that all requests have the same length.
announce(
  `${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`,
  await Promise.all(
    Array.from({ length: guard === 'unknown' ? unknownTokens : 1 }, (_, index) => mint(index))
  )
)
