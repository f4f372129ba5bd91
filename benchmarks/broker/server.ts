import { startProvider } from '../../docs/examples/demo/provider.ts'
import { announce } from '../frame/contender.ts'

// A server that issues tokens for an MCP server, with its state in memory. Argument: the issuer
// that a broker logs users in at. Without one, the server is oidc-provider, which has users.

const client = {
  client_name: 'bench',
  redirect_uris: ['http://127.0.0.1:4711/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none'
}
const [issuer] = process.argv.slice(2)

if (issuer === undefined) {
  const { url } = await startProvider({
    clients: [{ ...client, client_id: 'bench' }],
    registration: false,
    scopes: ['mcp:read'],
    // As in the broker, whose access tokens are JWTs with ES256.
    accessToken: { alg: 'ES256' }
  })
  announce(`${url}/auth`, ['bench', `${url}/token`])
} else {
  // Loaded here, so that the memory of the other server is its own.
  const [{ default: Fastify }, { mcpOAuth }, { brokerOptions }] = await Promise.all([
    import('fastify'),
    import('../../lib/index.ts'),
    import('../scale/order.ts')
  ])
  const app = Fastify()
  await app.register(mcpOAuth, { ...brokerOptions, issuer })
  // Without a publicUrl, the issuer of a server on loopback is localhost.
  const url = (await app.listen({ host: '127.0.0.1', port: 0 })).replace('127.0.0.1', 'localhost')
  const registration = await app.inject({ method: 'POST', url: '/oauth/register', payload: client })
  announce(`${url}/oauth/authorize`, [registration.json().client_id, `${url}/oauth/token`])
}
