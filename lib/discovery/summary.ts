/** Which line says at start-up how clients connect, and what the provider must know? */
import type { Config } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'

/** Returns the members and the message of the line. */
export function summaryOf (
  { mode, mcp, tokens, store, lifetimes, provider }: Config,
  urls: ReturnType<UrlSource>,
  scopes: readonly string[]
): [details: object, message: string] {
  const { base, resource, authorizationServers, metadataUrl } = urls
  const redirectUri = mode === 'broker' ? `${base}/oauth/callback` : undefined
  const kind = ['tools', 'server', 'handler'].find(name => mcp[name as keyof typeof mcp]) ?? 'route'
  const ways: Record<Config['mode'], string> = {
    open: 'for everybody, without tokens',
    guard: 'behind the guards of the app',
    metadata: 'with the tokens of customOAuthMetadata',
    resource: `with tokens of ${authorizationServers.join(', ')}`,
    thin: `through the login of ${provider?.issuer}`,
    broker:
      `through the login of ${provider?.issuer}. Register ${redirectUri} there as redirect URI`
  }
  return [
    {
      mode,
      resource,
      metadataUrl,
      redirectUri,
      mcp: kind,
      tokens: typeof tokens === 'string' ? tokens : 'verifiers',
      scopes,
      ...(mode === 'broker' && { lifetimes, store: store === null ? 'memory' : 'shared' })
    },
    `MCP is served at ${resource}, ${ways[mode]}`
  ]
}
