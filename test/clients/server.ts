import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp, type Cleanup } from '../support/app.ts'
import { freePort, whoami } from '../support/broker.ts'
import { providerClient, secret } from '../support/credentials.ts'
import { headlessLogin } from '../support/login.ts'
import { startStubProvider } from '../support/stub-provider.ts'
import type { DriverOptions } from './driver.ts'

/** One broker in front of the stub provider, with a tool that needs another scope. */
export async function startServer (
  t: Cleanup,
  options: Partial<McpOAuthOptions> = {}
): Promise<string> {
  const provider = await startStubProvider(providerClient)
  const port = await freePort()
  const { mcpUrl } = await buildApp(t, {
    issuer: provider.issuer,
    ...providerClient,
    secret,
    setupProxies: true,
    publicUrl: `http://localhost:${port}`,
    requiredScopes: ['mcp:read'],
    scopes: ['mcp:write'],
    mcp: { tools: true },
    ...options
  }, {
    port,
    closeLast: provider,
    routes (app) {
      whoami(app)
      app.delete('/notes', {
        schema: { operationId: 'clearNotes' },
        config: { mcp: { scopes: ['mcp:write'] } }
      }, async () => 'cleared')
    }
  })
  return mcpUrl
}

/** For a replay at such a broker. */
export const driverOptions: DriverOptions = {
  browser: async url => {
    const stopAt = url.searchParams.get('redirect_uri') ?? ''
    return (await headlessLogin(url, { stopAt })).url
  },
  tool: { name: 'whoami' },
  protectedTool: { name: 'clearNotes' }
}
