/** Which options does Microsoft Entra need? */
import { expect } from '../options/fields.ts'
import {
  checkSettings,
  guid,
  offlineByPost,
  openIdOptions,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface EntraSettings extends ClientSettings {
  /** Directory (tenant) id, a GUID. */
  tenantId: string
}

/**
 * Microsoft Entra ID (Azure AD), version 2.0 endpoints. It refuses the parameter `resource` (RFC
 * 8707), which the broker never sends it.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function entra (settings: EntraSettings): Preset {
  checkSettings('entra', settings, {
    tenantId: expect(
      "the id of your tenant, a GUID such as '11111111-2222-3333-4444-555555555555', " +
        'and not its domain',
      isTenantId
    )
  })
  const tenantId = settings.tenantId.toLowerCase()
  return openIdOptions(
    `https://login.microsoftonline.com/${tenantId}/v2.0`,
    settings,
    offlineByPost
  )
}

/** Entra accepts the domain of a tenant too, but its metadata name the id: issuers would differ. */
function isTenantId (value: unknown): boolean | string {
  if (['common', 'organizations', 'consumers'].includes(value as string)) {
    return `the id of one tenant: '${value}' lets in users of every tenant, ` +
      'and their tokens come from as many issuers'
  }
  return typeof value === 'string' && guid.test(value.toLowerCase())
}
