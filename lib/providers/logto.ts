/** Which options does Logto need? */
import { domainOptions, type DomainSettings, type Preset } from './settings.ts'

export interface LogtoSettings extends DomainSettings {
  /** Domain of the tenant: `acme.logto.app`, or a custom one. */
  domain: string
}

/**
 * Logto, with a traditional web application. It ignores `offline_access` without `prompt=consent`.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function logto (settings: LogtoSettings): Preset {
  return domainOptions('logto', settings, 'acme.logto.app', '/oidc', {
    refreshScopes: ['offline_access']
  })
}
