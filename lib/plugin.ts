/** Which steps does a registration take, in order? */
import type { FastifyInstance } from 'fastify'
import type { BrokerOptions } from './broker/broker.ts'
import { loadJose } from './crypto/jose.ts'
import { discoveryRoutes } from './discovery/documents.ts'
import { createCallerEvents } from './guard/caller-events.ts'
import { createGuards } from './guard/guard.ts'
import { createGrantMethods } from './guard/grants.ts'
import { addRegistration, decorate } from './guard/registrations.ts'
import { createRevoke } from './guard/revoke.ts'
import { findRoot, loadOnListen, rejectPublicAddress } from './host/app.ts'
import { closingOf } from './host/closing.ts'
import { createEvents } from './host/events.ts'
import { createConditions, type Conditions } from './host/health.ts'
import { logSerializers, safeLogger } from './host/replies.ts'
import { summaryOf } from './discovery/summary.ts'
import { loadClient } from './http/fetch.ts'
import type { McpEndpoint } from './mcp/access/tool-access.ts'
import { collectRoutes } from './mcp/tools/candidates.ts'
import { injectTokensOf } from './mcp/tools/in-process.ts'
import { mergeScopes } from './oauth/scope.ts'
import { createConfig, type Config } from './options/config.ts'
import type { McpOAuthOptions } from './options/schema.ts'
import { warningsOf } from './options/warnings.ts'
import { createProviderDiscovery } from './provider/discovery.ts'
import { createRevocations } from './store/revocations.ts'
import { loadTelemetry } from './telemetry/spans.ts'
import type { Log } from './types.ts'
import { createUrls } from './urls.ts'
import { lazy } from './util/lazy.ts'
import { createVerifier } from './verifiers/chain.ts'

// Each mode loads its own dependencies only.
const loadServer = lazy('mcp', () => import('./mcp/serve.ts'))
const loadThinProxy = lazy('setupProxies', () => import('./thin-proxy/routes.ts'))
const loadBroker = lazy('setupProxies', () => import('./broker/routes.ts'))
const loadCard = lazy('mcp.card', () => import('./discovery/card.ts'))
const loadTokenFor = lazy('exchange', () => import('./verifiers/token-for.ts'))

/** Checks the options, publishes the authorization server, and protects the MCP route. */
export async function plugin (instance: FastifyInstance, options: McpOAuthOptions) {
  // Errors of the provider may quote our tokens, so they are serialized as those of requests.
  const log = safeLogger(instance.log.child({}, { serializers: logSerializers }))
  const config = createConfig(options, instance.prefix, log)
  const events = createEvents(config, log)
  const conditions = createConditions(config, events, log)
  const root = options.root ?? findRoot(instance)
  const closing = closingOf(root)
  closing.timeoutSeconds = Math.max(closing.timeoutSeconds, config.closeTimeout)
  const urls = createUrls(config, root.server)
  const revocations = createRevocations(config)
  const revoke = createRevoke(revocations, events, () => verifier && (ownTokens ?? {}))
  const methods = { revoke, ...createGrantMethods(() => ownTokens && ownTokens.grantPages) }
  const registration = addRegistration(root, config, urls, conditions, methods)
  // Before our own routes, so that the routes that exist by now are those of the app.
  const routes = config.mcp.tools ? collectRoutes(instance, root) : undefined
  if (config.publicUrl === null) rejectPublicAddress(root.server)
  const warnings = warningsOf(config, root.server.requestTimeout)
  for (const [, details, message] of warnings) log.warn(details, message)

  let endpoint: McpEndpoint | null = null
  const guarded = new Set<string>()
  let known = { state: '', scopes: [] as readonly string[] }
  const catalog = () => {
    const ofTools = endpoint?.knownScopes() ?? []
    const state = `${guarded.size}:${ofTools.join(' ')}`
    if (state === known.state) return known.scopes
    // Every client may request offline_access: it is no scope of this server.
    const scopes = mergeScopes(config.requiredScopes, config.scopes, ofTools, [...guarded])
      .filter(scope => scope !== 'offline_access')
    known = { state, scopes }
    return scopes
  }
  const provider = createProvider(instance, config, log, conditions)
  const tools = () => endpoint?.listedTools() ?? []
  const context = { config, urls, log, events, conditions, revocations, catalog, tools }
  const { document, ownTokens } = await createAuthorizationServer(instance, provider, context)
  let verifier = createVerifier(config, provider, ownTokens, revocations, log, conditions)
  if (config.exchange && verifier && provider) {
    const { withTokenFor } = await loadTokenFor()
    verifier = withTokenFor(verifier, { config, provider, urls, log, own: ownTokens })
  }
  if (verifier !== null) loadOnListen(instance, log, loadClient, loadJose)
  const callerEvents = createCallerEvents(config, events, ownTokens)
  const guards = createGuards(config, verifier, urls, callerEvents)
  decorate(instance, root, { registration, guards, guarded })
  discoveryRoutes(root, config, urls, document)
  if (config.mcp.card) {
    const { serverCardRoutes } = await loadCard()
    serverCardRoutes(root, config, urls, () => endpoint?.versions?.())
  }

  instance.addHook('onReady', loadTelemetry)
  instance.addHook('onListen', async () => log.info(...summaryOf(config, urls(), catalog())))

  // Hooks of the host read `request.mcpCall`, also where no route is a tool.
  injectTokensOf(root)
  if (config.mcp.server ?? config.mcp.handler ?? config.mcp.tools) {
    const { serveMcp } = await loadServer()
    endpoint = serveMcp(instance, root, { ...context, guards, callerEvents, routes })
  }
}

function createProvider (
  instance: FastifyInstance,
  config: Config,
  log: Log,
  { provider: condition }: Conditions
) {
  if (config.provider === null) return null
  const warnIss = config.mode === 'thin'
  const required = hasProxies(config) ? undefined : ['jwks_uri'] as const
  const provider = createProviderDiscovery({
    ...config.provider,
    required,
    log,
    condition,
    warnIss
  })
  if (config.tokens !== 'none' || hasProxies(config)) {
    // Loads the metadata at start-up, so that the log has its faults. The provider may be
    // unreachable now, and reachable at the first login.
    instance.addHook('onListen', async () => {
      provider.metadata().catch(() => {})
    })
  }
  return provider
}

function hasProxies (config: Config): config is BrokerOptions['config'] {
  return config.mode === 'thin' || config.mode === 'broker'
}

/** @returns the document to publish, if any, and how tokens of the broker are verified */
async function createAuthorizationServer (
  instance: FastifyInstance,
  provider: ReturnType<typeof createProvider>,
  context: Omit<BrokerOptions, 'config' | 'discovery'> & { config: Config }
) {
  const { config, urls } = context
  if (provider === null || !hasProxies(config)) {
    const document = config.document && JSON.stringify(config.document)
    return { document: document === null ? null : () => document, ownTokens: null }
  }
  if (config.mode === 'thin') {
    const { registerThinProxy } = await loadThinProxy()
    return {
      document: registerThinProxy(instance, config, provider, urls, context.events),
      ownTokens: null
    }
  }
  const { registerBroker } = await loadBroker()
  return await registerBroker(instance, { ...context, config, discovery: provider })
}
