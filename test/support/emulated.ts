import type { TestContext } from 'node:test'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { startEmulator, type Emulator } from '../providers/emulators/emulator.ts'
import { emulatedClient, presetOf } from '../providers/emulators/preset.ts'
import type { ProviderFacts } from '../providers/emulators/provider.ts'
import { buildApp, loggingApp } from './app.ts'
import { freePort, secret, whoami } from './broker.ts'
import type { Internet } from './internet.ts'
import { connectClient, headlessOAuth, type HeadlessOAuth } from './login.ts'

// The broker in front of an emulated provider, with the preset unchanged.

export { emulatedClient } from '../providers/emulators/preset.ts'

/** The broker and its provider. */
export interface Emulated {
  emulator: Emulator
  issuer: string
  mcpUrl: string
  logs: string[]
  redirectUris: string[]
  /** Logs in and lists the tools. */
  logIn(oauth?: HeadlessOAuth): Promise<{ client: Client, oauth: HeadlessOAuth }>
}

export async function startEmulated (
  t: TestContext,
  internet: Internet,
  facts: ProviderFacts,
  options: Partial<McpOAuthOptions> = {}
): Promise<Emulated> {
  const port = await freePort()
  const publicUrl = `http://localhost:${port}`
  const issuer = publicUrl + (options.prefix ?? '')
  const redirectUris = [`${issuer}/oauth/callback`]
  const emulator = await startEmulator(internet, facts, [{ ...emulatedClient, redirectUris }])
  t.after(emulator.close)
  const logs: string[] = []
  const { mcpUrl } = await buildApp(t, {
    ...presetOf(facts),
    secret,
    setupProxies: true,
    publicUrl,
    requiredScopes: ['mcp:read'],
    mcp: { tools: true },
    ...options
  }, { app: loggingApp(logs), routes: whoami, port })
  return {
    emulator,
    issuer,
    mcpUrl,
    logs,
    redirectUris,
    async logIn (oauth = headlessOAuth()) {
      const client = await connectClient(mcpUrl, { oauth })
      t.after(() => client.close())
      await client.listTools()
      return { client, oauth }
    }
  }
}
