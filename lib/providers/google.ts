/** Which options does Google need? */
import { checkSettings, openIdOptions, text, type ClientSettings, type Preset } from './settings.ts'

/**
 * Google's access tokens are opaque, so it works with the broker only, and its web clients always
 * have a secret.
 */
export interface GoogleSettings extends ClientSettings {
  clientId: string | undefined
  clientSecret: string | undefined
}

/**
 * Google. Everyone with a Google account can log in: decide with `authorizeUser`.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function google (settings: GoogleSettings): Preset {
  checkSettings('google', settings, { clientId: text, clientSecret: text })
  return openIdOptions('https://accounts.google.com', settings, {
    // Google refuses the scope offline_access, and issues refresh tokens only with a fresh consent.
    authorizationParameters: { access_type: 'offline', prompt: 'consent' },
    tokenEndpointAuthMethod: 'client_secret_post'
  })
}
