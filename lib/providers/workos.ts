/** Which options does WorkOS need? */
import { checkSettings, host, openidMetadata, credentials } from './settings.ts'
import type { ClientSettings, Preset } from './settings.ts'

export interface WorkOSSettings extends ClientSettings {
  /** Your AuthKit domain: `acme.authkit.app`, or a custom one. */
  domain: string
}

/**
 * WorkOS AuthKit, with an OAuth application of WorkOS Connect.
 *
 * @throws McpOAuthError `invalidOptions` naming the bad settings
 */
export function workos (settings: WorkOSSettings): Preset {
  checkSettings('workos', settings, { domain: host('acme.authkit.app') })
  const issuer = `https://${settings.domain}`
  return {
    issuer,
    oauthMetadataUrl: openidMetadata(issuer),
    ...credentials(settings),
    provider: { refreshScopes: ['offline_access'], tokenEndpointAuthMethod: 'client_secret_post' }
  }
}
