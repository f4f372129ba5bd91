import Fastify from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from 'fastify-mcp-oauth'
import * as oidc from 'openid-client'

const credentials = {
  clientId: 'your-client-id',
  clientSecret: process.env.CLIENT_SECRET as string
}

/**
 * An MCP server whose tools read the calendar of whoever is calling, from another service of the
 * house.
 */
export async function build (issuer: string, calendar: string, options: McpOAuthOptions = {}) {
  const app = Fastify({ logger: true })
  await app.register(mcpOAuth, {
    issuer,
    ...credentials,
    setupProxies: true,
    // Routes see the provider's token of the user. Clients only ever have one of ours.
    upstreamToken: true,
    mcp: { tools: true },
    ...options
  })

  let provider: Promise<oidc.Configuration> | undefined
  const discover = () =>
    oidc.discovery(new URL(issuer), credentials.clientId, credentials.clientSecret, undefined, {
      // For the provider on loopback that the tests have.
      execute: issuer.startsWith('http:') ? [oidc.allowInsecureRequests] : []
    })

  /**
   * Trades the provider's token for one that is good at the calendar, and nowhere else (RFC 8693).
   */
  async function tokenForCalendar (subjectToken: string): Promise<string> {
    provider ??= discover()
    const { access_token: token } = await oidc.genericGrantRequest(
      await provider,
      'urn:ietf:params:oauth:grant-type:token-exchange',
      {
        subject_token: subjectToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource: calendar
      }
    )
    return token
  }

  app.get('/events', {
    onRequest: app.requireMcpAuth(),
    schema: { operationId: 'listEvents', summary: 'Lists the events in your calendar' }
  }, async ({ mcpAuth }, reply) => {
    const token = await tokenForCalendar(mcpAuth?.upstream?.accessToken ?? '')
    const answer = await fetch(`${calendar}/events`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(3000)
    })
    return answer.ok
      ? await answer.json()
      : await reply.code(502).send({ message: `The calendar answered ${answer.status}` })
  })
  return app
}

export const app = await build('https://auth.example.com', 'https://calendar.example.com')

if (process.argv[1] === import.meta.filename) await app.listen({ port: 3000 })
