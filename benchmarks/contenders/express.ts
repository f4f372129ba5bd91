import type { AddressInfo } from 'node:net'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { announce } from '../frame/contender.ts'
import { audience, startIssuer } from '../frame/issuer.ts'
import { createEchoServer } from './echo-server.ts'

// The SDK 1.x on Express, as its documentation shows it without sessions: its bearer middleware
// with jose, a server and a transport per request, JSON responses.

const { issuer, jwksUri, mint } = await startIssuer()
const keys = createRemoteJWKSet(new URL(jwksUri))
const app = express()
app.use(express.json())
const guard = requireBearerAuth({
  verifier: {
    async verifyAccessToken (token) {
      const { payload } = await jwtVerify(token, keys, { issuer, audience })
      return {
        token,
        clientId: String(payload['client_id']),
        scopes: String(payload['scope']).split(' '),
        expiresAt: payload.exp ?? 0
      }
    }
  }
})
app.post('/mcp', guard, async (request, response) => {
  const server = createEchoServer()
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => {
    transport.close()
    server.close()
  })
  await server.connect(transport as Parameters<McpServer['connect']>[0])
  await transport.handleRequest(request, response, request.body)
})
const token = await mint()
const listener = app.listen(
  0,
  '127.0.0.1',
  () => announce(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`, [token])
)
