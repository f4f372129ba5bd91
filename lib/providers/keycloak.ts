/** Which options does Keycloak need? */
import { checked, url } from '../options/fields.ts'
import {
  checkSettings,
  matching,
  openIdOptions,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface KeycloakSettings extends ClientSettings {
  /**
   * Where Keycloak is, with the path it runs below if it has one: `https://id.example.com` or, up
   * to Keycloak 16, `https://id.example.com/auth`.
   */
  url: string
  /** Name of the realm. */
  realm: string
}

/**
 * Keycloak. Refresh tokens come without asking and end with the user's session.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function keycloak (settings: KeycloakSettings): Preset {
  checkSettings('keycloak', settings, {
    url: checked(url({ query: false }), value =>
      value.includes('/realms/')
        ? 'has the path of a realm. Give what comes before /realms, and the name as realm'
        : null),
    realm: matching(
      "the name of a realm: letters, digits, '-', '_' and '.'. For others give the issuer to oidc()",
      /^[\w-][\w.-]*$/
    )
  })
  return openIdOptions(`${settings.url.replace(/\/+$/, '')}/realms/${settings.realm}`, settings, {
    offlineConsent: false
  })
}
