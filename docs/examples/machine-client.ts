import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  requiredScopes: ['notes:read'],
  clients: [{
    clientId: 'nightly-report',
    // Of the machine's secret the server knows no more than this.
    secretHashes: [process.env.MACHINE_SECRET_HASH as string],
    grantTypes: ['client_credentials'],
    scopes: ['notes:read']
  }],
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists notes' }
}, async ({ mcpAuth }) => {
  const isMachine = mcpAuth?.claims?.gty === 'client_credentials'
  return isMachine ? ['a note of Alice', 'a note of Bob'] : [`a note of ${mcpAuth?.subject}`]
})

/** The machine: mostly another program, somewhere else. */
export async function report (server: string): Promise<unknown> {
  const authProvider = new ClientCredentialsProvider({
    clientId: 'nightly-report',
    clientSecret: process.env.MACHINE_SECRET as string,
    // The secret goes to this authorization server and no other.
    expectedIssuer: server
  })
  const client = new Client({ name: 'nightly-report', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', server), { authProvider }))
  const { content } = await client.callTool({ name: 'listNotes', arguments: {} })
  await client.close()
  return content
}

if (process.argv[1] === import.meta.filename) {
  await app.listen({ port: 3000 })
  console.log(await report('http://localhost:3000'))
  await app.close()
}
