/** Which options does WorkOS need? */
import {
  checkSettings,
  host,
  offlineByPost,
  openIdOptions,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface WorkOSSettings extends ClientSettings {
  /** Your AuthKit domain: `acme.authkit.app`, or a custom one. */
  domain: string
}

/**
 * WorkOS AuthKit, with an OAuth application of WorkOS Connect.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function workos (settings: WorkOSSettings): Preset {
  checkSettings('workos', settings, { domain: host('acme.authkit.app') })
  return openIdOptions(`https://${settings.domain}`, settings, offlineByPost)
}
