import { logIn } from '../browse.ts'
import type { Runner } from '../child.ts'

export const run: Runner = async ({ mcpUrl, load, begin }) => {
  const { MCPClient, MCPOAuthClientProvider } = await load('@mastra/mcp')
  const redirectUrl = 'http://localhost:4712/callback'
  const mcp = new MCPClient({
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
          onRedirectToAuthorization: logIn
        })
      }
    }
  })
  await begin('log in')
  await mcp.authenticate('server')
  await begin('list')
  const { server_whoami: whoami } = await mcp.listTools()
  await begin('call')
  const call = await whoami.execute({}, {})
  await begin('refresh')
  await whoami.execute({}, {})
  return { list: [whoami.id], call }
}
