/** Which options does Supabase need? */
import { domainOptions, type DomainSettings, type Preset } from './settings.ts'

export interface SupabaseSettings extends DomainSettings {
  /** Host of the project, or of one you host yourself: `abcdefghijklmnopqrst.supabase.co`. */
  domain: string
}

/**
 * Supabase Auth with its OAuth 2.1 server. Refresh tokens come without asking. ID tokens need an
 * asymmetric signing key.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function supabase (settings: SupabaseSettings): Preset {
  return domainOptions('supabase', settings, 'abcdefghijklmnopqrst.supabase.co', '/auth/v1')
}
