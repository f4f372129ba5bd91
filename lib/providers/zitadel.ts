/** Which options does ZITADEL need? */
import { domainOptions, offline, type DomainSettings, type Preset } from './settings.ts'

export interface ZitadelSettings extends DomainSettings {
  /** Domain of the instance: `acme-a1b2c3.us1.zitadel.cloud`, or your own. */
  domain: string
}

/**
 * ZITADEL. Name and e-mail of a user are looked up, as its ID tokens have them on request only.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function zitadel (settings: ZitadelSettings): Preset {
  return domainOptions('zitadel', settings, 'acme-a1b2c3.us1.zitadel.cloud', '', offline)
}
