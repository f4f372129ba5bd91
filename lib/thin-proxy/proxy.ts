/** What do the endpoints of a thin proxy share? */
import type { AuthorizationEndpoint } from '../clients/authorize.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { Limiter } from '../http/concurrency.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import type { Config, ProviderConfig } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'
import type { LoginRecords } from './login-records.ts'

/** A thin proxy: clients log in at the provider, with the one client id that we have there. */
export interface ThinProxy extends AuthorizationEndpoint {
  readonly config: Config & { provider: ProviderConfig }
  readonly clientId: string
  readonly urls: UrlSource
  readonly loginRecords: LoginRecords
  readonly sealer: Sealer
  readonly limitTokenRequests: Limiter
  /**
   * The provider's metadata, with the operator's `authorizeUrl` in place.
   *
   * @throws {McpOAuthError} `providerMisbehaved` if users cannot log in there
   */
  providerMetadata(): Promise<LoginProviderMetadata>
  /** Our own metadata document (RFC 8414). */
  document(): Promise<string>
}

/** Metadata of a provider at which users can log in. */
export type LoginProviderMetadata =
  & ProviderMetadata
  & Required<Pick<ProviderMetadata, 'authorization_endpoint' | 'token_endpoint'>>
