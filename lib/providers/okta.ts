/** Which options does Okta need? */
import {
  checkSettings,
  host,
  isHost,
  matching,
  offline,
  openIdOptions,
  optional,
  text,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface OktaSettings extends ClientSettings {
  /** Your Okta domain, or your custom one: `acme.okta.com`. */
  domain: string
  /**
   * Id of the authorization server. Default `'default'`. `'org'` is the one every Okta organization
   * has: only Okta can check its access tokens, which is fine for the broker.
   */
  authorizationServer?: string | undefined
  /**
   * Audience of the authorization server, `api://default` unless you changed it. Needed where the
   * provider's tokens are checked.
   */
  audience?: string | undefined
}

/**
 * Okta, with a custom authorization server or that of the organization.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function okta (settings: OktaSettings): Preset {
  checkSettings('okta', settings, {
    domain: host('acme.okta.com', isOktaHost),
    authorizationServer: optional(matching(
      "the id of an authorization server such as 'default' or 'aus1a2b3c', or 'org'",
      /^[A-Za-z\d]+$/
    )),
    audience: optional(text)
  })
  const { domain, authorizationServer = 'default' } = settings
  const path = authorizationServer === 'org' ? '' : `/oauth2/${authorizationServer}`
  return openIdOptions(`https://${domain}${path}`, settings, offline)
}

/** The admin console has another host name than the issuer, and people copy its address. */
function isOktaHost (value: unknown) {
  if (!isHost(value)) return false
  return !/-admin\.(?:okta|oktapreview|okta-emea)\.com$/.test(value) ||
    "the domain users log in at, without '-admin'"
}
