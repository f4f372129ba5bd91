import Fastify from 'fastify'
import { z } from 'zod'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { mcpOAuth } from '../../lib/index.ts'
import { announce, echo } from '../frame/contender.ts'
import { audience, startIssuer } from '../frame/issuer.ts'

// This plugin with a thousand tools, prompts and resources. Argument: server, tools, or broker.

const many = 1_000
const [way = 'server'] = process.argv.slice(2)
const { issuer, mint } = await startIssuer()
const app = Fastify()

if (way === 'server') {
  const server = new McpServer({ name: 'hostile', version: '1.0.0' })
  const inputSchema = { text: z.string() }
  const run = async ({ text }: { text: string }) => ({
    content: [{ type: 'text' as const, text: echo(text).slice(0, 30) }]
  })
  server.registerTool('echo', { inputSchema }, run)
  for (let number = 1; number < many; number++) {
    const _meta = { 'fastify-mcp-oauth/scopes': [`scope-${number % 10}`] }
    server.registerTool(`tool-${number}`, { description: 'Does nothing', inputSchema, _meta }, run)
    server.registerPrompt(`prompt-${number}`, {}, () => ({ messages: [] }))
  }
  await app.register(mcpOAuth, { issuer, audience, mcp: { server } })
} else if (way === 'tools') {
  await app.register(mcpOAuth, { issuer, audience, mcp: { tools: true } })
  app.post('/echo', {
    bodyLimit: 2_000_000,
    schema: {
      operationId: 'echo',
      body: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }
    } as object
  }, async (request) => echo((request.body as { text: string }).text).slice(0, 30))
  for (let number = 1; number < many; number++) {
    app.get(`/things/${number}/:id`, {
      schema: {
        operationId: `tool-${number}`,
        params: { type: 'object', properties: { id: { type: 'string' } } }
      },
      config: { mcp: { name: `tool-${number}`, resource: `things://${number}/{id}` } }
    } as object, async () => 'done')
  }
} else {
  await app.register(mcpOAuth, {
    issuer,
    clientId: 'broker',
    clientSecret: 'the secret of the broker at the provider',
    setupProxies: true,
    secret: 'a secret of more than thirty-two characters',
    publicUrl: 'https://mcp.example.com',
    mcp: { server: new McpServer({ name: 'hostile', version: '1.0.0' }) }
  })
}
const tokens = [await mint()]
const base = await app.listen({ host: '127.0.0.1', port: 0 })
announce(way === 'broker' ? base : `${base}/mcp`, tokens)
