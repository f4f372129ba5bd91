import { createHash, randomBytes } from 'node:crypto'
import {
  Client,
  CrossAppAccessProvider,
  requestJwtAuthorizationGrant,
  StreamableHTTPClientTransport
} from '@modelcontextprotocol/client'
import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'

/** The secret of the assistant at this server, which knows no more than its hash. */
const secret = process.env.ASSISTANT_SECRET ?? randomBytes(32).toString('base64url')

/** An MCP server whose users a company's identity provider vouches for. */
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
      // People who log in at the same provider have the same notes.
      mapSubject: ({ sub }) => String(sub)
    }],
    clients: [{
      clientId: 'assistant',
      secretHashes: [`sha256:${createHash('sha256').update(secret).digest('base64url')}`],
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

/** What an assistant has of a user who signed in to it at the company's provider. */
export interface SignedIn {
  tokenEndpoint: string
  clientId: string
  clientSecret: string
  idToken: string
}

/** The assistant: another program, which calls a tool for its user without a page. */
export async function assistant (server: string, { tokenEndpoint, ...user }: SignedIn) {
  const authProvider = new CrossAppAccessProvider({
    clientId: 'assistant',
    clientSecret: secret,
    expectedIssuer: server,
    async assertion ({ authorizationServerUrl: audience, resourceUrl: resource, scope, fetchFn }) {
      const { jwtAuthGrant } = await requestJwtAuthorizationGrant({
        tokenEndpoint,
        audience,
        resource,
        ...user,
        ...(scope !== undefined && { scope }),
        fetchFn
      })
      return jwtAuthGrant
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
