/** Which options does any other OpenID Connect provider need? */
import { flag, issuer } from '../options/fields.ts'
import {
  checkSettings,
  commonOptions,
  optional,
  text,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface OidcSettings extends ClientSettings {
  /** The issuer, byte for byte as the provider's metadata have it: a slash at the end matters. */
  issuer: string
  /** Audience asked of the provider; its tokens for this audience are accepted too. */
  audience?: string | undefined
  /**
   * Ask for refresh tokens the way OpenID Connect Core §11 says: scope `offline_access` and a
   * consent. Default `false`, as many providers issue them unasked.
   */
  offlineAccess?: boolean | undefined
}

/**
 * Any OpenID Connect provider that publishes its metadata.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function oidc (settings: OidcSettings): Preset {
  checkSettings('oidc', settings, {
    issuer,
    audience: optional(text),
    offlineAccess: optional(flag)
  })
  return {
    ...commonOptions(settings.issuer, settings),
    ...(settings.offlineAccess && {
      provider: { refreshScopes: ['offline_access'] }
    })
  }
}
