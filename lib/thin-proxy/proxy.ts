/** Which parts do the endpoints of a thin proxy share? */
import { createClients } from '../clients/clients.ts'
import { createSealer } from '../crypto/sealer.ts'
import { McpOAuthError } from '../errors.ts'
import { createLimiter } from '../http/concurrency.ts'
import { maxLoginRecords, maxProviderTokenRequests } from '../limits.ts'
import type { AuthorizationRules } from '../oauth/authorization-request.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import { memoryStore } from '../store/memory.ts'
import type { UrlSource } from '../urls.ts'
import { createLoginRecords } from './login-records.ts'

export type ThinConfig = Config & { provider: ProviderConfig }

/** A thin proxy: clients log in at the provider, with the one client id that we have there. */
export type ThinProxy = ReturnType<typeof createThinProxy>

/** @param paths those of its endpoints: redirect URIs must not lead there */
export function createThinProxy (
  config: ThinConfig,
  discovery: ProviderDiscovery,
  urls: UrlSource,
  paths: readonly string[]
) {
  const {
    setupFakeDynamicRegistration: registration,
    allowedRedirectUris,
    provider: { issuer, clientId, authorizeUrl }
  } = config
  if (clientId === null) throw new Error('unreachable: checked with the options')
  // Registrations may share a secret, but must not open what another one sealed.
  const sealer = createSealer(config.secrets, `${issuer} ${clientId} ${config.prefix}`)
  const listed = registration ? [] : [{ id: clientId, redirectUris: null, name: null }]
  return {
    config,
    clientId,
    urls,
    clients: createClients(sealer, listed),
    loginRecords: createLoginRecords(config.store ?? memoryStore({ max: maxLoginRecords })),
    sealer,
    // Without a queue: a request that waited would use up the code of a client that gave up.
    limitTokenRequests: createLimiter({ concurrency: maxProviderTokenRequests, queue: 0 }),
    redirectPolicy (): RedirectPolicy {
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
    rules: (): AuthorizationRules => ({ resource: urls().resource, knownScopes: null }),
    issuer: () => undefined,

    /**
     * The provider's metadata, with the operator's `authorizeUrl` in place.
     *
     * @throws {McpOAuthError} `providerMisbehaved` if users cannot log in there
     */
    async providerMetadata () {
      const metadata = await discovery.metadata()
      const { authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint } =
        metadata
      if (authorizationEndpoint === undefined || tokenEndpoint === undefined) {
        throw misbehaved('The provider metadata have no authorization or token endpoint')
      }
      // The client's PKCE reaches the provider: without a check there, stolen codes could be used.
      if (!metadata.code_challenge_methods_supported?.includes('S256')) {
        throw misbehaved('The provider does not announce PKCE with S256')
      }
      return { ...metadata, authorizationEndpoint, tokenEndpoint }
    }
  }
}

function misbehaved (reason: string): McpOAuthError {
  return new McpOAuthError('providerMisbehaved', { cause: new Error(reason) })
}
