import { createClients } from '../clients/clients.ts'
import { createSealer, type Sealer } from '../crypto/sealer.ts'
import { memoryStore } from '../store/memory.ts'
import { createLoginRecords, type LoginRecords } from './login-records.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import { McpOAuthError } from '../errors.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { userGrants } from '../oauth/token-request.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import type { UrlSource } from '../urls.ts'
import type { AuthorizationEndpoint } from '../clients/authorize.ts'

/** What the endpoints of the thin proxies share. */
export interface ThinProxy extends AuthorizationEndpoint {
  readonly config: Config & { provider: ProviderConfig }
  readonly clientId: string
  readonly urls: UrlSource
  readonly tickets: LoginRecords
  readonly sealer: Sealer
  /** The provider's endpoints, with the operator's `authorizeUrl` in place. */
  endpoints(): Promise<ProviderEndpoints>
  /** Our own metadata document (RFC 8414). */
  document(): Promise<string>
}

/** Metadata of a provider one can log in at. */
export type ProviderEndpoints = ProviderMetadata & {
  readonly authorization_endpoint: string
  readonly token_endpoint: string
}

export function createThinProxy (
  config: Config & { provider: ProviderConfig },
  provider: ProviderDiscovery,
  urls: UrlSource
): ThinProxy {
  const { clientId, authorizeUrl } = config.provider
  if (clientId === null) throw new Error('unreachable: checked with the options')
  const policy = {
    // With registration off, everybody shares the one client: what it may be redirected to is the
    // operator's to say.
    allowed: config.allowedRedirectUris ?? (config.registration ? null : ['http:'])
  }
  // What is sealed at one registration opens at no other, although they may share a secret.
  const sealer = createSealer(
    config.secrets,
    `${config.provider.issuer} ${clientId} ${config.prefix}`
  )
  const known = config.registration ? [] : [{ id: clientId, redirectUris: null, name: null }]
  const proxy: ThinProxy = {
    config,
    clientId,
    urls,
    clients: createClients(sealer, known),
    tickets: createLoginRecords(config.store ?? memoryStore({ max: 100_000 })),
    sealer,
    redirectPolicy () {
      const { base, resource } = urls()
      return {
        ...policy,
        forbidden: [
          resource,
          ...['authorize', 'token', 'register', 'callback', 'consent'].map(name =>
            `${base}/oauth/${name}`
          ),
          ...(authorizeUrl ? [authorizeUrl] : [])
        ]
      }
    },
    rules: () => ({ resource: urls().resource, knownScopes: null }),
    // The answers come from the provider, under its name.
    issuer: () => null,
    hasListedRedirects: config.allowedRedirectUris !== null,
    async endpoints () {
      const metadata = await provider.metadata()
      if (!canLogIn(metadata)) {
        throw new McpOAuthError('providerMisbehaved', {
          cause: new Error('the metadata of the provider name no authorization or token endpoint')
        })
      }
      // The client's PKCE reaches the provider: one that does not promise to check it would let
      // stolen codes in.
      if (!metadata.code_challenge_methods_supported?.includes('S256')) {
        throw new McpOAuthError('providerMisbehaved', {
          cause: new Error('the provider does not announce PKCE with S256')
        })
      }
      return metadata
    },
    async document () {
      const { scopes_supported: scopes } = await proxy.endpoints()
      const { base } = urls()
      return JSON.stringify(authorizationServerDocument({
        issuer: base,
        endpoints: {
          authorization_endpoint: `${base}/oauth/authorize`,
          token_endpoint: `${base}/oauth/token`,
          ...(config.registration && { registration_endpoint: `${base}/oauth/register` })
        },
        grantTypes: userGrants,
        scopes
      }))
    }
  }
  return proxy
}

function canLogIn (metadata: ProviderMetadata): metadata is ProviderEndpoints {
  return metadata.authorization_endpoint !== undefined && metadata.token_endpoint !== undefined
}
