import { randomInt } from 'node:crypto'
import { createServer } from 'node:http'
import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { buildApp, type AppSetup, type RunningApp } from './app.ts'
import { providerClient, secret } from './credentials.ts'
import { startProvider, type ProviderOptions, type RunningProvider } from './provider.ts'

export { secret } from './credentials.ts'
export const { clientSecret } = providerClient

export interface RunningBroker extends RunningApp {
  provider: RunningProvider
  issuer: string
}

/**
 * A free port, for servers whose URL is needed before they listen. It is below the range of
 * ephemeral ports, so that no other process receives it meanwhile.
 */
export async function freePort (): Promise<number> {
  const port = randomInt(12_000, 32_000)
  const server = createServer()
  const free = await new Promise<boolean>(resolve => {
    server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!free) return await freePort()
  await new Promise(resolve => server.close(resolve))
  return port
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
