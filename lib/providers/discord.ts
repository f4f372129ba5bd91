/** Which options does Discord need? */
import { failure } from '../errors.ts'
import type { FetchJson } from '../types.ts'
import {
  checkSettings,
  claimsOf,
  commonOptions,
  text,
  type ClientSettings,
  type Preset
} from './settings.ts'

/** Discord's access tokens are opaque, so it works with the broker only. */
export interface DiscordSettings extends ClientSettings {
  clientId: string | undefined
  clientSecret: string | undefined
}

/** The `iss` of Discord's authorization responses (RFC 9207). */
const issuer = 'https://discord.com'

/**
 * Discord. Users are looked up in the API: its documentation has no scope `openid`, though metadata
 * are published. `sub` is the id of the account. Everyone with an account can log in: decide with
 * `authorizeUser`.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function discord (settings: DiscordSettings): Preset {
  checkSettings('discord', settings, { clientId: text, clientSecret: text })
  return {
    ...commonOptions(issuer, settings),
    defaultScope: 'identify email',
    provider: {
      metadata: {
        authorization_endpoint: `${issuer}/oauth2/authorize`,
        token_endpoint: `${issuer}/api/oauth2/token`,
        revocation_endpoint: `${issuer}/api/oauth2/token/revoke`,
        code_challenge_methods_supported: ['S256']
      },
      identify
    }
  }
}

async function identify (accessToken: string, fetchJson: FetchJson) {
  const { id, username, global_name: name, email, verified } = await fetchJson(
    `${issuer}/api/v10/users/@me`,
    { authorization: `Bearer ${accessToken}` }
  )
  if (!/^\d+$/.test(String(id))) throw failure('providerMisbehaved', 'Discord names no account')
  return claimsOf(String(id), {
    preferred_username: username,
    name,
    email,
    email_verified: verified
  })
}
