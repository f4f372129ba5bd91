/** How is a thin proxy assembled? */
import { createClients } from '../clients/clients.ts'
import { createSealer } from '../crypto/sealer.ts'
import { McpOAuthError } from '../errors.ts'
import { endpointUrls, pathOf, servedBy } from '../host/endpoint.ts'
import { createLimiter } from '../http/concurrency.ts'
import { maxLoginRecords, maxProviderTokenRequests } from '../limits.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import { userGrants } from '../oauth/token-request.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import { memoryStore } from '../store/memory.ts'
import type { UrlSource } from '../urls.ts'
import { createLoginRecords } from './login-records.ts'
import type { LoginProviderMetadata, ThinProxy } from './proxy.ts'
import { endpoints } from './routes.ts'

/** Creates a thin proxy. */
export function createThinProxy (
  config: Config & { provider: ProviderConfig },
  discovery: ProviderDiscovery,
  urls: UrlSource
): ThinProxy {
  const {
    setupFakeDynamicRegistration: registration,
    allowedRedirectUris,
    provider: { issuer, clientId, authorizeUrl }
  } = config
  if (clientId === null) throw new Error('unreachable: checked with the options')
  // Registrations may share a secret, but must not open what another one sealed.
  const sealer = createSealer(config.secrets, `${issuer} ${clientId} ${config.prefix}`)
  const listed = registration ? [] : [{ id: clientId, redirectUris: null, name: null }]
  // Paths of the broker are forbidden as well: redirect URIs outlive a change of mode.
  const paths = [...endpoints, { name: 'callback' }, { name: 'consent' }].map(pathOf)
  const proxy: ThinProxy = {
    config,
    clientId,
    urls,
    clients: createClients(sealer, listed),
    loginRecords: createLoginRecords(config.store ?? memoryStore({ max: maxLoginRecords })),
    sealer,
    // Without a queue: a request that waited would use up the code of a client that gave up.
    limitTokenRequests: createLimiter({ concurrency: maxProviderTokenRequests, queue: 0 }),
    redirectPolicy () {
      const { base, resource } = urls()
      return {
        // Without registration all clients share one id: only the operator can allow https URIs.
        allowed: allowedRedirectUris ?? (registration ? null : ['http:']),
        forbidden: [
          resource,
          ...paths.map(path => base + path),
          ...(authorizeUrl ? [authorizeUrl] : [])
        ]
      }
    },
    rules: () => ({ resource: urls().resource, knownScopes: null }),
    issuer: () => undefined,
    async providerMetadata () {
      const metadata = await discovery.metadata()
      if (!hasLoginEndpoints(metadata)) {
        throw misbehaved('The provider metadata have no authorization or token endpoint')
      }
      // The client's PKCE reaches the provider: without a check there, stolen codes could be used.
      if (!metadata.code_challenge_methods_supported?.includes('S256')) {
        throw misbehaved('The provider does not announce PKCE with S256')
      }
      return metadata
    },
    async document () {
      const { scopes_supported: scopes } = await proxy.providerMetadata()
      const { base } = urls()
      return JSON.stringify(authorizationServerDocument({
        issuer: base,
        endpoints: endpointUrls(base, servedBy(proxy, endpoints)),
        grantTypes: userGrants,
        scopes
      }))
    }
  }
  return proxy
}

function hasLoginEndpoints (
  metadata: Partial<LoginProviderMetadata>
): metadata is LoginProviderMetadata {
  return metadata.authorization_endpoint !== undefined && metadata.token_endpoint !== undefined
}

function misbehaved (reason: string): McpOAuthError {
  return new McpOAuthError('providerMisbehaved', { cause: new Error(reason) })
}
