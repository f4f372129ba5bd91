import type { FastifyInstance } from 'fastify'
import { createConfig, type Config, type ProviderConfig } from './options/config.ts'
import type { Log, TokenVerifier } from './types.ts'
import { decorate } from './guard/decorators.ts'
import { createGuards, type Guards } from './guard/guard.ts'
import { createEndpoint, type McpEndpoint } from './mcp/endpoint.ts'
import { createSessions } from './mcp/access/sessions.ts'
import { createToolCollector } from './mcp/tools/collect.ts'
import { injectTokensOf } from './mcp/tools/inject.ts'
import { createDpopVerifier } from './dpop/verifier.ts'
import { createProviderDiscovery, type ProviderDiscovery } from './provider/discovery.ts'
import { addRegistration } from './guard/registrations.ts'
import { findRoot } from './host/root.ts'
import type { Broker } from './broker/broker.ts'
import { registerBroker } from './broker/routes.ts'
import { discoveryRoutes } from './discovery/documents.ts'
import { mcpRoute } from './mcp/route.ts'
import { logSerializers } from './host/replies.ts'
import { thinEndpoints } from './thin-proxy/routes.ts'
import { createThinProxy } from './thin-proxy/create.ts'
import type { Document } from './discovery/well-known.ts'
import type { McpOAuthOptions } from './options/schema.ts'
import { createUrls, rejectPublicAddress, type UrlSource } from './urls.ts'
import { safeLogger } from './host/safe-logger.ts'
import { createKeySet } from './verifiers/jwks.ts'
import { jwtVerifier } from './verifiers/jwt.ts'
import { ownVerifier } from './verifiers/own.ts'
import { createTokenBinding } from './dpop/binding.ts'
import { chain } from './verifiers/chain.ts'

/** What a registration does, in order: configure, find its place, decorate, publish, protect. */
export async function plugin (instance: FastifyInstance, options: McpOAuthOptions): Promise<void> {
  // What the provider said may quote our tokens: of its faults the log gets what request logs get.
  const log = safeLogger(instance.log.child({}, { serializers: logSerializers }) as Log)
  const config = createConfig(options, instance.prefix, log)
  const root = findRoot(instance, options.root)
  const urls = createUrls(config, root.server)
  const registration = addRegistration(root, config, urls)
  if (config.publicUrl === null) rejectPublicAddress(root.server)
  if (Date.now() < Date.UTC(2024, 0)) {
    log.warn(
      {},
      'the clock of this machine is years behind: ' +
        'tokens of others will seem to be from the future, and ours to have expired'
    )
  }
  if (options.auth === false) {
    log.warn(
      { path: config.prefix + config.mcp.path },
      'auth is false: everyone who reaches this server may use its MCP route'
    )
  }
  if (config.publicUrl !== null && root.server.requestTimeout === 0) {
    log.warn(
      { option: 'requestTimeout' },
      'requests may take for ever: ' +
        'give fastify() a requestTimeout, such as 30000, against clients that send slowly on purpose'
    )
  }

  if (options.clientSecret !== undefined && !options.setupProxies) {
    log.warn(
      { option: 'clientSecret' },
      'clientSecret has no effect without setupProxies: clients log in at the provider themselves'
    )
  }

  const provider = config.provider && createProviderDiscovery({
    issuer: config.provider.issuer,
    metadataUrl: config.provider.metadataUrl ?? undefined,
    authorizeUrl: config.provider.authorizeUrl ?? undefined,
    traits: config.provider.traits,
    log,
    warnIss: config.mode === 'thin'
  })
  if (provider !== null && (config.tokens !== 'none' || hasProxies(config))) {
    // Asked for early, so that what is wrong with the provider is in the log before the first login
    // fails. It may well be down now.
    instance.addHook('onListen', async () => {
      await provider.metadata().catch(() => {})
    })
  }
  let endpoint: McpEndpoint | null = null
  const guarded = new Set<string>()
  const catalog = () => [
    ...new Set([
      ...config.requiredScopes,
      ...config.scopes,
      ...endpoint?.knownScopes() ?? [],
      ...guarded
    ])
  ]
  const server = await authorizationServer(instance, config, provider, urls, log, catalog)
  const possession = createTokenBinding(config.dpop, createDpopVerifier(config, urls, 'resource'))
  const guards = createGuards(config, verifierOf(config, provider, server, log), possession, urls)
  decorate(instance, root, { registration, guards, config, guarded })
  discoveryRoutes(root, config, urls, server.document)

  endpoint = endpointOf(instance, root, config, urls, guards)
  if (endpoint) mcpRoute(instance, { config, guards, endpoint })
}

/**
 * What we are to clients beside the MCP route: the broker, a thin proxy, somebody who publishes a
 * document, or nothing.
 */
interface AuthorizationServer {
  readonly document: Document | null
  readonly broker: Broker | null
}

async function authorizationServer (
  instance: FastifyInstance,
  config: Config,
  provider: ProviderDiscovery | null,
  urls: UrlSource,
  log: Log,
  catalog: () => readonly string[]
): Promise<AuthorizationServer> {
  if (provider === null || !hasProxies(config)) {
    const document = config.document === null ? null : JSON.stringify(config.document)
    return { document: document === null ? null : () => document, broker: null }
  }
  if (config.mode === 'thin') {
    const proxy = createThinProxy(config, provider, urls)
    thinEndpoints(instance, proxy)
    return { document: proxy.document, broker: null }
  }
  return await registerBroker(instance, { config, discovery: provider, urls, log, catalog })
}

function hasProxies (config: Config): config is Config & { provider: ProviderConfig } {
  return config.mode === 'thin' || config.mode === 'broker'
}

/** The verifiers of the user come after ours: nobody else has to look at tokens of our own. */
function verifierOf (
  config: Config,
  provider: ProviderDiscovery | null,
  { broker }: AuthorizationServer,
  log: Log
): TokenVerifier | null {
  if (config.tokens === 'none') return null
  const verifiers = typeof config.tokens === 'string' ? [] : [...config.tokens]
  if (broker !== null) {
    verifiers.unshift(ownVerifier({
      issuer: broker.issuer,
      keys: broker.signing.find,
      isRevoked: broker.marks.isRevoked,
      openUpstream: config.upstreamToken ? broker.tokens.openUpstream : null
    }))
  }
  if (config.tokens === 'issuer' && config.provider !== null && provider !== null) {
    const { issuer, audience } = config.provider
    verifiers.push(
      jwtVerifier({
        issuer,
        audience: audience ?? undefined,
        keys: createKeySet({ uri: provider.keysUri, log }),
        log
      })
    )
  }
  return chain(verifiers)
}

function endpointOf (
  instance: FastifyInstance,
  root: FastifyInstance,
  { prefix, mcp, headers, secrets }: Config,
  urls: UrlSource,
  { holds }: Guards
): McpEndpoint | null {
  const deps = {
    resource: () => urls().resource,
    holds,
    sessions: createSessions(secrets),
    log: safeLogger(instance.log as Log)
  }
  if (mcp.tools === undefined) return createEndpoint(mcp, deps)
  const toolOptions = mcp.tools === true ? {} : mcp.tools
  const collector = createToolCollector(injectTokensOf(root))
  instance.addHook('onRoute', collector.onRoute)
  const tools = () => {
    const collection = collector.build({
      options: toolOptions,
      headers,
      inject: instance.inject.bind(instance) as never
    })
    if (collection.tools.length === 0) {
      deps.log.warn(
        { path: prefix + mcp.path },
        'no route became a tool: await app.register(mcpOAuth, …) must come before the routes, ' +
          'and each needs an operationId in its schema'
      )
    }
    return collection
  }
  return createEndpoint(mcp, { ...deps, tools })
}
