import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  secret: process.env.MCP_OAUTH_SECRET,
  grantIndex: true,
  // A scope limits a client, and any user may grant it: this one is for one operator.
  authorizeUser: ({ claims, scopes }) => ({
    scopes: scopes.filter(scope => scope !== 'admin' || claims.sub === process.env.ADMIN_SUBJECT)
  }),
  mcp: { tools: true }
})

/** Stands for the sessions of your app: cookies, and the provider's `sub` of each user. */
const sessions = new Map([['session=1234', 'auth0|alice']])

await app.register(async (account) => {
  account.addHook('onRequest', async ({ headers }, reply) => {
    if (!sessions.has(headers.cookie ?? '')) return reply.redirect('/login')
  })
  await account.register(
    app.mcpOAuth.connectedApplications({
      subject: ({ headers }) => sessions.get(headers.cookie ?? '')
    }),
    { prefix: '/account/applications' }
  )
})

// Operators see everybody. `authorizeUser` above grants the scope to them only.
app.get(
  '/admin/grants',
  { onRequest: app.requireMcpAuth({ scopes: ['admin'] }), config: { mcp: false } },
  async () => await app.mcpOAuth.grants()
)

app.get('/items', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listItems', summary: 'Lists the items' }
}, async () => ['one', 'two'])

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
