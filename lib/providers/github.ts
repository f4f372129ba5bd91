/** Which options does GitHub need? */
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

/**
 * GitHub's access tokens are opaque, so it works with the broker only, and its apps always have a
 * secret.
 */
export interface GitHubSettings extends ClientSettings {
  clientId: string | undefined
  clientSecret: string | undefined
}

/** The `iss` of GitHub's authorization responses (RFC 9207). */
const issuer = 'https://github.com/login/oauth'

/**
 * GitHub, OAuth apps and GitHub Apps. No OpenID Connect: users are looked up in the API, `sub` is
 * the numeric id of the account (names can change hands). OAuth apps get no refresh tokens: the
 * account is looked up again instead. Everyone with an account can log in: decide with
 * `authorizeUser`.
 *
 * No scope is requested: a token without scopes is enough to identify the user.
 *
 * @throws {McpOAuthError} `invalidOptions` naming the invalid settings
 */
export function github (settings: GitHubSettings): Preset {
  checkSettings('github', settings, { clientId: text, clientSecret: text })
  return {
    ...commonOptions(issuer, settings),
    defaultScope: '',
    provider: {
      // The metadata that GitHub publishes are a preview for clients of its own MCP server, and
      // promise ID tokens that it does not issue.
      metadata: {
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/access_token`,
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['client_secret_post']
      },
      identify,
      recheck: true
    }
  }
}

async function identify (accessToken: string, fetchJson: FetchJson) {
  const { id, login, name, email, avatar_url: picture } = await fetchJson(
    'https://api.github.com/user',
    {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${accessToken}`,
      'x-github-api-version': '2022-11-28'
    }
  )
  if (!Number.isSafeInteger(id)) throw failure('providerMisbehaved', 'GitHub names no account')
  return claimsOf(String(id), { preferred_username: login, name, email, picture })
}
