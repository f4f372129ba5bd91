/** Which options does Amazon Cognito need? */
import { expect } from '../options/fields.ts'
import {
  checkSettings,
  isHost,
  isLabel,
  matching,
  openIdOptions,
  optional,
  type ClientSettings,
  type Preset
} from './settings.ts'

export interface CognitoSettings extends ClientSettings {
  /** Region of the user pool: `eu-central-1`. */
  region: string
  /** Id of the user pool: `eu-central-1_AbCdEf123`. */
  userPoolId: string
  /**
   * Where users log in, if the pool has two domains: the prefix of the Cognito domain, or your
   * custom domain. Default: the one the pool's metadata name.
   */
  domain?: string | undefined
}

/**
 * Amazon Cognito user pools. The issuer is the pool and not the domain users log in at. Refresh
 * tokens come without asking; PKCE works, although the metadata do not say so.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function cognito (settings: CognitoSettings): Preset {
  checkSettings(
    'cognito',
    settings,
    {
      region: matching("an AWS region such as 'eu-central-1'", /^[a-z]{2}(?:-[a-z]+)+-\d+$/),
      userPoolId: matching(
        "the id of a user pool such as 'eu-central-1_AbCdEf123'",
        /^[a-z\d-]+_[A-Za-z\d]+$/
      ),
      domain: optional(
        expect(
          "the prefix of the Cognito domain, or a host name such as 'login.example.com', " +
            'in lower case and without https://',
          value => typeof value === 'string' && (isLabel(value) || isHost(value))
        )
      )
    },
    ({ region, userPoolId }) =>
      String(userPoolId).startsWith(`${region}_`) || !String(userPoolId).includes('_')
        ? []
        : ['userPoolId: is the id of a user pool in another region. Give that region']
  )
  const { region, userPoolId, domain } = settings
  const loginHost = isHost(domain) ? domain : `${domain}.auth.${region}.amazoncognito.com`
  return {
    ...openIdOptions(`https://cognito-idp.${region}.amazonaws.com/${userPoolId}`, settings),
    ...(domain !== undefined && { authorizeUrl: `https://${loginHost}/oauth2/authorize` })
  }
}
