/** Which options does OneLogin need? */
import { domainOptions, type DomainSettings, type Preset } from './settings.ts'

export interface OneLoginSettings extends DomainSettings {
  /** Your OneLogin domain: `acme.onelogin.com`. */
  domain: string
}

/**
 * OneLogin, with an OpenId Connect (OIDC) app. It has no scope for refresh tokens: they come
 * without asking.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function onelogin (settings: OneLoginSettings): Preset {
  return domainOptions('onelogin', settings, 'acme.onelogin.com', '/oidc/2')
}
