/** Which options does Descope need? */
import {
  checkSettings,
  host,
  matching,
  openIdOptions,
  optional,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface DescopeSettings extends ClientSettings {
  /** Id of the project: `P2abc…`. */
  projectId: string
  /** Host of the API, if you have a custom domain. Default `api.descope.com`. */
  domain?: string | undefined
}

/**
 * Descope, with an inbound app. It grants the scopes that the app defines.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function descope (settings: DescopeSettings): Preset {
  checkSettings('descope', settings, {
    projectId: matching("the id of a project such as 'P2abc'", /^P[A-Za-z\d]+$/),
    domain: optional(host('api.descope.com'))
  })
  const { projectId, domain = 'api.descope.com' } = settings
  return openIdOptions(`https://${domain}/v1/apps/${projectId}`, settings, {
    tokenEndpointAuthMethod: 'client_secret_post'
  })
}
