/** Which options does authentik need? */
import { url } from '../options/fields.ts'
import {
  checkSettings,
  matching,
  offline,
  openIdOptions,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface AuthentikSettings extends ClientSettings {
  /** Where authentik is, with the path it runs below if it has one: `https://id.example.com`. */
  url: string
  /** Slug of the application. */
  application: string
}

/**
 * authentik, with an OAuth2/OpenID provider in the issuer mode of each application having its own.
 * That issuer ends with a slash.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function authentik (settings: AuthentikSettings): Preset {
  checkSettings('authentik', settings, {
    url: url({ query: false }),
    application: matching("the slug of an application: letters, digits, '-' and '_'", /^[\w-]+$/)
  })
  const base = settings.url.replace(/\/+$/, '')
  return openIdOptions(`${base}/application/o/${settings.application}/`, settings, offline)
}
