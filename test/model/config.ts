import type { McpOAuthOptions } from '../../lib/index.ts'
import { createConfig, type Config, type ProviderConfig } from '../../lib/options/config.ts'
import { providerClient, publicUrl, secret } from '../support/credentials.ts'

// The configuration of the instances of the model.

/** The client of all requests. It is public. */
export const clientId = 'app'
export const redirectUri = 'https://app.example/callback'
export const grace = 600

export const noOptions = {}
export const log = { debug () {}, info () {}, warn () {}, error () {} }

/** Options are checked once for each scenario. */
const configs = new Map<object, Config & { provider: ProviderConfig }>()

export function configOf (options: Partial<McpOAuthOptions>) {
  const known = configs.get(options)
  if (known) return known
  const config = createConfig(
    {
      issuer: 'https://id.example',
      ...providerClient,
      secret,
      setupProxies: true,
      clientIdMetadata: false,
      publicUrl,
      requiredScopes: ['mcp:read'],
      scopes: ['mcp:write'],
      clients: [{ clientId, redirectUris: [redirectUri] }],
      refresh: { grace },
      ...options
    },
    '',
    log
  ) as Config & { provider: ProviderConfig }
  configs.set(options, config)
  return config
}
