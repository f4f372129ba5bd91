/** Which options does Clerk need? */
import { domainOptions, offline, type DomainSettings, type Preset } from './settings.ts'

export interface ClerkSettings extends DomainSettings {
  /** Host of the Frontend API URL: `clerk.example.com` or `verb-noun-00.clerk.accounts.dev`. */
  domain: string
}

/**
 * Clerk, with one of its OAuth applications.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function clerk (settings: ClerkSettings): Preset {
  return domainOptions('clerk', settings, 'clerk.example.com', '', offline)
}
