import type { AddressInfo } from 'node:net'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { announce } from '../contender.ts'
import { createEchoServer } from '../echo-server.ts'

// The SDK 1.x on Express, as its documentation shows it without sessions: a server and a transport
// per request, JSON responses.

const app = express()
app.use(express.json())
app.post('/mcp', async (request, response) => {
  const server = createEchoServer()
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
