import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp, type AppSetup, type RunningApp } from './app.ts'
import { providerClient, secret } from './credentials.ts'
import { freePort } from './port.ts'
import { startProvider, type ProviderOptions, type RunningProvider } from './provider.ts'

export { secret } from './credentials.ts'
export { freePort } from './port.ts'
export const { clientSecret } = providerClient

export interface RunningBroker extends RunningApp {
  provider: RunningProvider
  issuer: string
}

/** The registration of the broker at a real provider. */
export function registrationOf (redirectUri: string): object {
  return {
    client_id: providerClient.clientId,
    client_secret: providerClient.clientSecret,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code']
  }
}

export interface BrokerSetup extends AppSetup {
  provider?: ProviderOptions
  options?: Partial<McpOAuthOptions>
}

/** The broker in front of a real provider, with a tool that returns whether it was authorized. */
export async function startBroker (
  t: TestContext,
  { provider: providerOptions = {}, options = {}, ...setup }: BrokerSetup = {}
): Promise<RunningBroker> {
  const port = await freePort()
  const base = `http://localhost:${port}${options.prefix ?? ''}`
  const provider = await startProvider({
    registration: false,
    clients: [registrationOf(`${base}/oauth/callback`)],
    ...providerOptions
  })
  const running = await buildApp(t, {
    issuer: provider.issuer,
    ...providerClient,
    secret,
    setupProxies: true,
    publicUrl: `http://localhost:${port}`,
    requiredScopes: ['mcp:read'],
    scopes: ['mcp:write'],
    mcp: { tools: true },
    ...options
  }, { routes: whoami, port, closeLast: provider, ...setup })
  return { ...running, provider, issuer: base }
}

export function whoami (app: FastifyInstance): void {
  app.get(
    '/whoami',
    { schema: { operationId: 'whoami', summary: 'Returns the caller' } },
    async (request) => ({ authorization: request.headers.authorization !== undefined })
  )
}
