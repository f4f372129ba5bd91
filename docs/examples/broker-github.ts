import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'
import { github } from 'fastify-mcp-oauth/providers'

/** Asks GitHub on behalf of a user. */
async function ask (path: string, accessToken: string): Promise<Response> {
  return await fetch(`https://api.github.com${path}`, {
    headers: { authorization: `Bearer ${accessToken}`, 'user-agent': 'acme-mcp' },
    signal: AbortSignal.timeout(3000)
  })
}

export const app = Fastify({ logger: true })

await app.register(mcpOAuth, {
  ...github({
    clientId: 'your-client-id',
    clientSecret: process.env.GITHUB_CLIENT_SECRET
  }),
  // After the preset: later members win.
  defaultScope: 'read:org',
  setupProxies: true,
  publicUrl: 'https://mcp.example.com',
  secret: process.env.MCP_OAUTH_SECRET,
  // Any GitHub account can log in there. Only members of one organization may log in here.
  async authorizeUser ({ claims, tokens }) {
    const answer = await ask('/user/memberships/orgs/acme', tokens.accessToken)
    if (answer.status === 403 || answer.status === 404) return false
    if (!answer.ok) throw new Error(`GitHub answered ${answer.status}`)
    const { state } = await answer.json() as { state: string }
    return state === 'active' && { claims: { login: claims.preferred_username } }
  },
  // Routes see GitHub's token too, as request.mcpAuth.upstream.
  upstreamToken: true,
  mcp: { tools: true }
})

app.get('/teams', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listTeams', summary: 'Lists the teams you are in' }
}, async ({ mcpAuth }) => {
  const answer = await ask('/user/teams', mcpAuth?.upstream?.accessToken ?? '')
  return (await answer.json() as Array<{ name: string }>).map(({ name }) => name)
})

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000, host: '0.0.0.0' })
