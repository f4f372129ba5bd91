import {
  Client,
  CrossAppAccessProvider,
  requestJwtAuthorizationGrant,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'
import { startCompany } from './demo/company.ts'

const server = 'http://localhost:3000'
// Run by itself, the example starts a provider, at which Alice has signed in to the assistant.
const company = process.argv[1] === import.meta.filename ? await startCompany(server) : undefined
const issuer = company?.issuer ?? 'https://idp.example.com'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer,
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  requiredScopes: ['notes:read'],
  trustedIssuers: [{
    issuer,
    clients: ['assistant'],
    // People who log in with a page have the same notes.
    mapSubject: ({ sub }) => String(sub)
  }],
  clients: [{
    clientId: 'assistant',
    secretHashes: [process.env.MACHINE_SECRET_HASH as string],
    grantTypes: ['urn:ietf:params:oauth:grant-type:jwt-bearer']
  }],
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists your notes' }
}, async ({ mcpAuth }) => [`a note of ${mcpAuth?.subject}`])

/** The assistant: another program, with an ID token and its credentials at the provider. */
export async function assistant (
  user: { tokenEndpoint: string, clientId: string, clientSecret: string, idToken: string }
) {
  const authProvider = new CrossAppAccessProvider({
    clientId: 'assistant',
    clientSecret: process.env.MACHINE_SECRET as string,
    expectedIssuer: server,
    async assertion ({ authorizationServerUrl: audience, resourceUrl: resource, scope = '' }) {
      const request = { ...user, audience, resource, scope }
      return (await requestJwtAuthorizationGrant(request)).jwtAuthGrant
    }
  })
  const client = new Client({ name: 'assistant', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', server), { authProvider }))
  const { content } = await client.callTool({ name: 'listNotes', arguments: {} })
  await client.close()
  return content
}

if (company) {
  await app.listen({ port: 3000 })
  console.log(await assistant(company.user))
  await app.close()
  await company.close()
}
