import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

const cluster = 'https://kubernetes.default.svc.cluster.local'
const { publicKey, privateKey } = await generateKeyPair('ES256')
const keys = [await exportJWK(publicKey)]
const platform = createServer((_request, response) => response.end(JSON.stringify({ keys })))
await once(platform.listen(0, '127.0.0.1').unref(), 'listening')
const { port } = platform.address() as AddressInfo
export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  workloads: [{
    issuer: cluster,
    jwksUri: `http://127.0.0.1:${port}/openid/v1/jwks`,
    claims: { sub: 'system:serviceaccount:prod:report-*' },
    scopes: ['notes:read']
  }],
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists notes' }
}, async ({ mcpAuth }) => {
  return mcpAuth?.claims?.gty === 'workload' ? ['a note for all'] : [`of ${mcpAuth?.subject}`]
})

/** In a pod: `readFile('/var/run/secrets/tokens/mcp')`. */
function readToken (aud: string) {
  const sub = 'system:serviceaccount:prod:report-daily'
  const token = new SignJWT({ iss: cluster, sub, aud }).setIssuedAt()
  return token.setExpirationTime('10m').setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
}

/** The workload: it has no client id, no secret and no registration. */
export async function report (server: string) {
  const response = await fetch(`${server}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: await readToken(`${server}/oauth/token`),
      resource: `${server}/mcp`
    })
  })
  if (!response.ok) throw new Error(await response.text())
  const { access_token: token } = await response.json() as { access_token: string }
  const client = new Client({ name: 'report', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${token}` } }
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', server), { requestInit }))
  const { content } = await client.callTool({ name: 'listNotes' })
  await client.close()
  return content
}

if (process.argv[1] === import.meta.filename) {
  await app.listen({ port: 3000 })
  console.log(await report('http://localhost:3000'))
  await app.close()
}
