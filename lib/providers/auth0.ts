/** Which options does Auth0 need? */
import {
  checkSettings,
  host,
  offlineByPost,
  openIdOptions,
  optional,
  text,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface Auth0Settings extends ClientSettings {
  /** The tenant's domain, or your custom one: `tenant.eu.auth0.com`. */
  domain: string
  /**
   * Identifier of your API. Without one Auth0 issues opaque access tokens: fine for the broker,
   * unusable where the provider's tokens are checked.
   */
  audience?: string | undefined
}

/**
 * Auth0. Its issuer ends with a slash.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function auth0 (settings: Auth0Settings): Preset {
  checkSettings('auth0', settings, {
    domain: host('tenant.eu.auth0.com'),
    audience: optional(text)
  })
  return openIdOptions(`https://${settings.domain}/`, settings, offlineByPost)
}
