import { logIn } from '../browse.ts'
import type { Runner } from '../child.ts'
import { probes } from '../proxy.ts'

export const run: Runner = async ({ mcpUrl, clientId, load, begin }) => {
  const { MCPClient, MCPOAuthClientProvider } = await load('@mastra/mcp')
  // Another port is taken if this one is in use.
  const redirectUrl = 'http://localhost:4712/callback'
  const open = (id: string) =>
    new MCPClient({
      id,
      servers: {
        server: {
          url: new URL(mcpUrl),
          authProvider: new MCPOAuthClientProvider({
            redirectUrl,
            clientMetadata: {
              redirect_uris: [redirectUrl],
              client_name: 'Mastra application',
              grant_types: ['authorization_code', 'refresh_token'],
              response_types: ['code']
            },
            clientInformation: { client_id: clientId },
            onRedirectToAuthorization: id === 'home'
              ? logIn
              : () => {
                throw new Error('There is no authorization server')
              }
          })
        }
      }
    })
  for (const probe of Object.keys(probes)) {
    await begin(probe)
    await open(probe).authenticate('server').catch(() => {})
  }
  await begin('log in')
  const mcp = open('home')
  await mcp.authenticate('server')
  await begin('list')
  const { server_whoami: whoami } = await mcp.listTools()
  await begin('call')
  const call = await whoami.execute({}, {})
  await begin('refresh')
  await whoami.execute({}, {})
  return { list: [whoami.id], call }
}
