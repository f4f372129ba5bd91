/** Which steps does a registration take, in order? */
import type { FastifyInstance } from 'fastify'
import { registerBroker } from './broker/routes.ts'
import { discoveryRoutes } from './discovery/documents.ts'
import type { Document } from './discovery/well-known.ts'
import { createTokenBinding } from './dpop/verifier.ts'
import { createGuards } from './guard/guard.ts'
import { addRegistration, decorate } from './guard/registrations.ts'
import { rejectPublicAddress } from './host/listen.ts'
import { logSerializers } from './host/replies.ts'
import { findRoot } from './host/root.ts'
import { safeLogger } from './host/safe-logger.ts'
import { createMcpEndpoint } from './mcp/create.ts'
import type { McpEndpoint } from './mcp/endpoint.ts'
import { mcpRoute } from './mcp/route.ts'
import { type Config, createConfig, type ProviderConfig } from './options/config.ts'
import type { McpOAuthOptions } from './options/schema.ts'
import { warningsOf } from './options/warnings.ts'
import { createProviderDiscovery, type ProviderDiscovery } from './provider/discovery.ts'
import { registerThinProxy } from './thin-proxy/routes.ts'
import type { Log } from './types.ts'
import { createUrls, type UrlSource } from './urls.ts'
import { createVerifier, type OwnTokenOptions } from './verifiers/chain.ts'

/** Checks the options, publishes the authorization server, and protects the MCP route. */
export async function plugin (instance: FastifyInstance, options: McpOAuthOptions): Promise<void> {
  // Errors of the provider may quote our tokens, so they are serialized as those of requests.
  const log = safeLogger(instance.log.child({}, { serializers: logSerializers }) as Log)
  const config = createConfig(options, instance.prefix, log)
  const root = findRoot(instance, options.root)
  const urls = createUrls(config, root.server)
  const registration = addRegistration(root, config, urls)
  if (config.publicUrl === null) rejectPublicAddress(root.server)
  const warnings = warningsOf(options, config, root.server.requestTimeout)
  for (const [details, message] of warnings) log.warn(details, message)

  let endpoint: McpEndpoint | null = null
  const guarded = new Set<string>()
  const catalog = () => {
    const ofTools = endpoint?.knownScopes() ?? []
    return [...new Set([...config.requiredScopes, ...config.scopes, ...ofTools, ...guarded])]
  }
  const provider = config.provider && createProvider(instance, config, config.provider, log)
  const context = { config, urls, log, catalog }
  const { document, ownTokens } = await createAuthorizationServer(instance, provider, context)
  const verifier = createVerifier(config, provider, ownTokens, log)
  const guards = createGuards(config, verifier, createTokenBinding(config, urls), urls)
  decorate(instance, root, { registration, guards, guarded })
  discoveryRoutes(root, config, urls, document)

  endpoint = createMcpEndpoint(instance, { root, config, urls, guards, log })
  if (endpoint) mcpRoute(instance, { config, guards, endpoint })
}

/** Fetches the metadata as soon as the app listens, so that the log has its faults at start-up. */
function createProvider (
  instance: FastifyInstance,
  config: Config,
  { issuer, metadataUrl, authorizeUrl, traits }: ProviderConfig,
  log: Log
): ProviderDiscovery {
  const provider = createProviderDiscovery({
    issuer,
    metadataUrl: metadataUrl ?? undefined,
    authorizeUrl: authorizeUrl ?? undefined,
    traits,
    log,
    warnIss: config.mode === 'thin'
  })
  if (config.tokens !== 'none' || hasProxies(config)) {
    // The provider may be unreachable now, and reachable at the first login.
    instance.addHook('onListen', () => provider.metadata().then(() => {}, () => {}))
  }
  return provider
}

function hasProxies (config: Config): config is Config & { provider: ProviderConfig } {
  return config.mode === 'thin' || config.mode === 'broker'
}

interface Context {
  config: Config
  urls: UrlSource
  log: Log
  /** The scopes of this server and its tools, complete once the app is ready. */
  catalog: () => readonly string[]
}

/** @returns the document to publish, if any, and how tokens of the broker are verified */
async function createAuthorizationServer (
  instance: FastifyInstance,
  provider: ProviderDiscovery | null,
  { config, urls, log, catalog }: Context
): Promise<{ document: Document | null, ownTokens: OwnTokenOptions | null }> {
  if (provider === null || !hasProxies(config)) {
    const document = config.document && JSON.stringify(config.document)
    return { document: document === null ? null : () => document, ownTokens: null }
  }
  if (config.mode === 'thin') {
    return { document: registerThinProxy(instance, config, provider, urls), ownTokens: null }
  }
  const { broker, document } = await registerBroker(instance, {
    config,
    discovery: provider,
    urls,
    log,
    catalog
  })
  const openUpstream = config.upstreamToken ? broker.tokens.openUpstream : null
  const { issuer, signing: { find: keys }, marks: { isRevoked } } = broker
  return { document, ownTokens: { issuer, keys, isRevoked, openUpstream } }
}
