/** Which parts do the endpoints of a thin proxy share? */
import { createClients } from '../clients/clients.ts'
import { createSealer } from '../crypto/sealer.ts'
import { failure } from '../errors.ts'
import type { Events } from '../host/events.ts'
import { createLimiter } from '../http/operations.ts'
import {
  loginRecordSeconds,
  maxLoginRecords,
  maxProviderTokenRequests,
  releasedRecordSeconds
} from '../limits.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import { memoryStore } from '../store/memory.ts'
import { claimKey } from '../store/one-time.ts'
import type { UrlSource } from '../urls.ts'
import { hash } from '../util/hash.ts'

export type ThinConfig = Config & { provider: ProviderConfig }

/** A thin proxy: clients log in at the provider, with the one client id that we have there. */
export type ThinProxy = ReturnType<typeof createThinProxy>

/** @param paths those of its endpoints: redirect URIs must not lead there */
export function createThinProxy (
  config: ThinConfig,
  discovery: ProviderDiscovery,
  urls: UrlSource,
  paths: readonly string[],
  events: Events
) {
  const { setupFakeDynamicRegistration: registration, allowedRedirectUris } = config
  const { issuer, authorizeUrl } = config.provider
  // The rules of the options require it.
  const clientId = config.provider.clientId as string
  const store = config.store ?? memoryStore({ max: maxLoginRecords })
  // Registrations may share a secret, but must not open what another one sealed.
  const sealer = createSealer(config.secrets, `${issuer} ${clientId} ${config.prefix}`)
  const listed = registration ? [] : [{ id: clientId, redirectUris: null, name: null }]
  return {
    config,
    events,
    clientId,
    urls,
    clients: createClients(sealer, listed, null, registration ? Infinity : 0),
    sealer,
    // Without a queue: a request that waited would use up the code of a client that gave up.
    limitTokenRequests: createLimiter(maxProviderTokenRequests, 0),
    redirectPolicy () {
      const { base, resource } = urls()
      return {
        // Without registration all clients share one id: only the operator can allow https URIs.
        allowed: allowedRedirectUris ?? (registration ? null : ['http:']),
        forbidden: [resource, authorizeUrl ?? [], paths.map(path => base + path)].flat()
      }
    },
    rules: () => ({ resource: urls().resource, knownScopes: null }),
    issuer: () => undefined,

    /**
     * Returns the record of a PKCE challenge that passed the authorization endpoint. The token
     * endpoint adds our client secret only to codes of such logins: a code that was stolen
     * elsewhere cannot be redeemed through us. The kinds of the keys date from 0.1.0.
     */
    loginRecord (client: string, codeChallenge: string) {
      const id = hash(`${client}\n${codeChallenge}`)
      const started = `mcp-oauth:ticket:${id}`
      const spent = `mcp-oauth:spent:${id}`
      return {
        add: (redirectUri: string) => store.put(started, hash(redirectUri), loginRecordSeconds),

        /**
         * Uses the record up, in one atomic step. False if no login with this challenge began here
         * for this client and redirect URI, or if the record was used before.
         */
        async consume (redirectUri: string | undefined) {
          const recorded = await store.get(started)
          // The redirect URI may be omitted (OAuth 2.1 §4.1.3): PKCE protects the code.
          const began = recorded !== null &&
            (redirectUri === undefined || recorded === hash(redirectUri))
          return began && await claimKey(store, spent, loginRecordSeconds)
        },

        /**
         * Makes a used record usable again in a second: the provider could not judge the code.
         * Stores need not delete. Clients that heed our Retry-After return later than that.
         */
        release: () => store.put(spent, '1', releasedRecordSeconds)
      }
    },

    /**
     * The provider's metadata, with the operator's `authorizeUrl` in place.
     *
     * @throws {McpOAuthError} `providerMisbehaved` if users cannot log in there
     */
    async providerMetadata () {
      const metadata = await discovery.metadata()
      const { authorization_endpoint: authorizationEndpoint } = metadata
      if (authorizationEndpoint === undefined || metadata.token_endpoint === undefined) {
        const reason = 'The provider metadata have no authorization or token endpoint'
        throw failure('providerMisbehaved', reason)
      }
      // The client's PKCE reaches the provider: without a check there, stolen codes could be used.
      if (!metadata.code_challenge_methods_supported?.includes('S256')) {
        throw failure('providerMisbehaved', 'The provider does not announce PKCE with S256')
      }
      return { ...metadata, authorizationEndpoint }
    }
  }
}
