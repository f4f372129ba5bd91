import { createMcpHandler } from '@modelcontextprotocol/server'
import Fastify from 'fastify'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { announce } from '../frame/contender.ts'
import { audience, startIssuer } from '../frame/issuer.ts'
import { createModernEchoServer } from './echo-server.ts'

// The handler of the SDK 2.x on bare Fastify. With the argument `guard` jose verifies each token.

const { issuer, jwksUri, mint } = await startIssuer()
const keys = createRemoteJWKSet(new URL(jwksUri))
const handler = createMcpHandler(createModernEchoServer)
const app = Fastify()
if (process.argv[2] === 'guard') {
  app.addHook('onRequest', async ({ headers }) => {
    await jwtVerify(String(headers.authorization).slice(7), keys, { issuer, audience })
  })
}
app.post('/mcp', async (request, reply) => {
  const response = await handler.fetch(
    new Request('http://127.0.0.1/mcp', {
      method: 'POST',
      headers: new Headers(request.headers as Record<string, string>),
      body: JSON.stringify(request.body)
    }),
    { parsedBody: request.body }
  )
  reply.code(response.status)
  response.headers.forEach((value, name) => reply.header(name, value))
  return await response.text()
})
announce(`${await app.listen({ host: '127.0.0.1', port: 0 })}/mcp`, [await mint()])
