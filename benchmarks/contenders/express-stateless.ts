import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { z } from 'zod'
import { announce, echo } from '../contender.ts'

// The SDK 1.x on Express as its documentation sets it up without sessions: a server and a transport
// per request, JSON answers.

function buildServer (): McpServer {
  const server = new McpServer({ name: 'echo', version: '1.0.0' })
  server.registerTool(
    'echo',
    { inputSchema: { text: z.string() } },
    async ({ text }) => ({ content: [{ type: 'text', text: echo(text) }] })
  )
  return server
}

const app = express()
app.use(express.json())
app.post('/mcp', async (request, response) => {
  const server = buildServer()
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => {
    transport.close()
    server.close()
  })
  await server.connect(transport as Parameters<McpServer['connect']>[0])
  await transport.handleRequest(request, response, request.body)
})
const listener = app.listen(
  0,
  '127.0.0.1',
  () => announce(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`)
)
