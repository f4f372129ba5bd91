/** Which options does WorkOS need? */
import { domainOptions, offlineByPost, type DomainSettings, type Preset } from './settings.ts'

export interface WorkOSSettings extends DomainSettings {
  /** Your AuthKit domain: `acme.authkit.app`, or a custom one. */
  domain: string
}

/**
 * WorkOS AuthKit, with an OAuth application of WorkOS Connect.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function workos (settings: WorkOSSettings): Preset {
  return domainOptions('workos', settings, 'acme.authkit.app', '', offlineByPost)
}
