import Fastify from 'fastify'
import { mcpOAuth } from 'fastify-mcp-oauth'

export const app = Fastify({ logger: true })

const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

await app.register(mcpOAuth, {
  issuer: 'https://auth.example.com',
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET,
  setupProxies: true,
  requiredScopes: ['notes:read'],
  scopes: ['notes:write'],
  clients: [{
    clientId: 'planner',
    secretHashes: [process.env.PLANNER_SECRET_HASH as string],
    grantTypes: ['client_credentials'],
    scopes: ['notes:read', 'notes:write']
  }, {
    clientId: 'summarizer',
    secretHashes: [process.env.SUMMARIZER_SECRET_HASH as string],
    grantTypes: [tokenExchange],
    scopes: ['notes:read']
  }],
  mcp: { tools: true }
})

app.get('/notes', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'listNotes', summary: 'Lists notes' }
}, async ({ mcpAuth }) => [`notes of ${mcpAuth?.subject}, read by ${mcpAuth?.actor?.subject}`])

/** The agent `summarizer`, with the token of a user or, here, of the agent `planner`. */
export async function summarize (server: string, subjectToken: string): Promise<unknown> {
  const { access_token: token } = await requestToken(server, 'summarizer', {
    grant_type: tokenExchange,
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token'
  })
  const response = await fetch(new URL('/notes', server), {
    headers: { authorization: `Bearer ${token}` }
  })
  if (!response.ok) throw new Error(await response.text())
  return await response.json()
}

/** Requests a token as one of the agents. */
export async function requestToken (server: string, clientId: string, params: object) {
  const secret = process.env[`${clientId.toUpperCase()}_SECRET`]
  const response = await fetch(new URL('/oauth/token', server), {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` },
    body: new URLSearchParams({ ...params })
  })
  if (!response.ok) throw new Error(await response.text())
  return await response.json() as { access_token: string }
}

if (process.argv[1] === import.meta.filename) {
  const server = await app.listen({ port: 3000 })
  const grant = { grant_type: 'client_credentials' }
  const { access_token: token } = await requestToken(server, 'planner', grant)
  console.log(await summarize(server, token))
  await app.close()
}
