/** Which options does Scalekit need? */
import { domainOptions, offlineByPost, type DomainSettings, type Preset } from './settings.ts'

export interface ScalekitSettings extends DomainSettings {
  /** Host of the environment URL: `acme.scalekit.com`, or a custom one. */
  domain: string
}

/**
 * Scalekit, with a web application.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function scalekit (settings: ScalekitSettings): Preset {
  return domainOptions('scalekit', settings, 'acme.scalekit.com', '', offlineByPost)
}
