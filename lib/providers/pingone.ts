/** Which options does PingOne need? */
import {
  checkSettings,
  guid,
  matching,
  offline,
  openIdOptions,
  optional,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface PingOneSettings extends ClientSettings {
  /** Id of the environment, a GUID. */
  environmentId: string
  /** Host of your region, such as `auth.pingone.eu`. Default `auth.pingone.com`. */
  domain?: string | undefined
}

/**
 * PingOne.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function pingone (settings: PingOneSettings): Preset {
  checkSettings('pingone', settings, {
    environmentId: matching('the id of your environment, a GUID in lower case', guid),
    domain: optional(matching(
      "a host of PingOne such as 'auth.pingone.eu'. With a custom domain give its issuer to oidc()",
      /^auth\.pingone\.[a-z.]+$/
    ))
  })
  const { environmentId, domain = 'auth.pingone.com' } = settings
  return openIdOptions(`https://${domain}/${environmentId}/as`, settings, offline)
}
