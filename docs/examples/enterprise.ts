import {
  Client,
  CrossAppAccessProvider,
  requestJwtAuthorizationGrant,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'

/** An MCP server for whose users the identity provider of a company vouches. */
export async function build (issuer: string, options: McpOAuthOptions = {}) {
  const app = Fastify({ logger: { level: 'warn' } })
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
    mcp: { tools: true },
    ...options
  })
  app.get('/notes', {
    onRequest: app.requireMcpAuth(),
    schema: { operationId: 'listNotes', summary: 'Lists your notes' }
  }, async ({ mcpAuth }) => [`a note of ${mcpAuth?.subject}`])
  return app
}

/**
 * The assistant: another program. Its user signed in to it at the provider of the company.
 *
 * @param user the ID token, and the registration of the assistant at that provider
 */
export async function assistant (
  server: string,
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

export const app = await build('https://idp.example.com')

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
