/**
 * A client for the conformance suite: `node --import tsx conformance/client.ts <URL of an MCP
 * server>`. For the suite's authorization server the client is our broker, which logs a user in
 * there. The token is then used at the suite's MCP server.
 */
import {
  discoverOAuthServerInfo,
  extractWWWAuthenticateParams
} from '@modelcontextprotocol/sdk/client/auth.js'
import Fastify from 'fastify'
import { mcpOAuth } from '../../../lib/index.ts'
import { freePort, secret } from '../broker.ts'
import { connectClient, headlessOAuth } from '../login.ts'

interface Registration {
  client_id: string
  client_secret?: string
}

const server = process.argv[2] ?? ''
const { resourceMetadataUrl } = extractWWWAuthenticateParams(await call())
const { authorizationServerUrl: issuer, authorizationServerMetadata: metadata, resourceMetadata } =
  await discoverOAuthServerInfo(server, resourceMetadataUrl && { resourceMetadataUrl })
const port = await freePort()
const { client_id: clientId, client_secret: clientSecret } = await register(
  `http://localhost:${port}/oauth/callback`
)
const resource = resourceMetadata?.resource ?? server
let accessToken: string | undefined

const app = Fastify()
try {
  await app.register(mcpOAuth, {
    issuer: issuer.replace(/\/$/, ''),
    clientId,
    ...clientSecret !== undefined && { clientSecret },
    secret,
    setupProxies: true,
    upstreamToken: true,
    // The suite's server returns no claims of its user.
    provider: {
      authorizationParameters: { resource },
      tokenParameters: { resource },
      identify: async (token) => {
        accessToken = token
        return { sub: 'user' }
      }
    },
    mcp: { tools: true }
  })
  await app.listen({ host: 'localhost', port })
  const broker = await connectClient(`http://localhost:${port}/mcp`, { oauth: headlessOAuth() })
  await broker.close()
  if ((await call(accessToken)).status === 401) throw new Error('the token is rejected')
} finally {
  await app.close()
}

async function call (token?: string): Promise<Response> {
  return await fetch(server, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...token !== undefined && { authorization: `Bearer ${token}` }
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} })
  })
}

async function register (redirectUri: string): Promise<Registration> {
  const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Partial<
    Registration
  >
  if (context.client_id !== undefined) return context as Registration
  const methods = metadata?.token_endpoint_auth_methods_supported
  const body = JSON.stringify({
    client_name: 'Broker',
    application_type: 'web',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...methods && { token_endpoint_auth_method: methods[0] }
  })
  const response = await fetch(metadata?.registration_endpoint ?? '', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body
  })
  return await response.json() as Registration
}
