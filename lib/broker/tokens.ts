/** How does a login at the provider become tokens of ours? */

import type { Sealer } from '../crypto/sealer.ts'
import type { SigningKeys } from '../crypto/signing-keys.ts'
import { failure, McpOAuthError } from '../errors.ts'
import { accessTokenSeconds, codeSeconds, maxTokenChars, refreshTokenSeconds } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { LoginSecrets, ProviderLogin, ProviderTokens } from '../provider/login.ts'
import type { UpstreamAccess, UserClaims } from '../types.ts'
import { hash } from '../util/hash.ts'
import {
  issueAccessToken,
  randomId,
  type GrantContent,
  type TokenResponse
} from './access-token.ts'
import { authorizeUser, type Authorization } from './authorize-user.ts'
import type { Revocation } from './revocation.ts'

/** The request a user agreed to. It travels from the consent page to the token endpoint. */
export interface ApprovedRequest {
  /** Hash of the client id: the id itself may be long. */
  readonly client: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly codeChallenge: string
  readonly resource: string
  /** Thumbprint of the only key the code can be redeemed with (RFC 9449 §10). */
  readonly key?: string | undefined
  /** The client did not register for refresh tokens. */
  readonly once?: true
}

/** Content of an authorization code. The provider's code is redeemed when ours is. */
export interface CodeContent extends ApprovedRequest {
  readonly id: string
  readonly grant: string
  readonly upstreamCode: string
  readonly secrets: LoginSecrets
}

/** The content that all refresh tokens of a grant share. */
interface UserGrant extends GrantContent {
  /** Hash of the client id. */
  readonly client: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** Content of a refresh token. */
export interface RefreshContent extends UserGrant {
  readonly id: string
  /** The provider's refresh token, or its access token if it issues no refresh tokens. */
  readonly upstream: { readonly refresh: string } | { readonly access: string }
}

/** The authenticated client of a token request. */
export interface TokenClient {
  clientId: string
  /** Thumbprint of the key whose possession was proven: tokens are bound to it. */
  key: string | undefined
  /** Seconds since 1970. */
  now: number
}

/** The parts of a token issuer. */
interface TokenIssuerOptions {
  config: Pick<Config, 'authorizeUser' | 'upstreamToken'>
  sealer: Sealer
  signing: SigningKeys
  revocation: Revocation
  provider: ProviderLogin
  issuer: () => string
}

/** Creates the functions that issue and open codes and tokens. `now` is in seconds since 1970. */
export function createTokenIssuer (
  { config, sealer, signing, revocation, provider, issuer }: TokenIssuerOptions
) {
  /** Issues tokens of a grant. Only the access token is narrowed to `scopes`. */
  async function issue (
    { clientId, now }: TokenClient,
    grant: UserGrant,
    scopes: readonly string[],
    tokens: ProviderTokens
  ): Promise<TokenResponse> {
    const { expiresIn, accessToken, scope } = tokens
    const longest = Math.min(accessTokenSeconds, expiresIn ?? accessTokenSeconds)
    const lifetime = Math.max(1, Math.floor(longest))
    const upstream = config.upstreamToken &&
      { upstream: await sealer.seal('access', { accessToken, scope }, lifetime, now) }
    const options = { issuer: issuer(), clientId, lifetime, now, ...upstream }
    const response = await issueAccessToken(signing, { ...grant, scopes }, options)
    if (response.access_token.length > maxTokenChars) {
      throw failure(
        'internal',
        'The claims of authorizeUser, or the token of the provider, are too long for an access token'
      )
    }
    const refreshToken = await sealRefresh(grant, tokens, now)
    return { ...response, ...(refreshToken !== null && { refresh_token: refreshToken }) }
  }

  /** Seals a refresh token, or returns null if the provider offers no way to check a user again. */
  async function sealRefresh (
    grant: UserGrant,
    { refreshToken, accessToken }: ProviderTokens,
    now: number
  ): Promise<string | null> {
    if (refreshToken === null && !provider.recheck) return null
    const upstream = refreshToken === null ? { access: accessToken } : { refresh: refreshToken }
    const content: RefreshContent = { ...grant, id: randomId(), upstream }
    return await sealer.seal('refresh', content, refreshTokenSeconds, now)
  }

  const note = (grant: string, { refreshToken, accessToken }: ProviderTokens, now: number) =>
    revocation.note(grant, refreshToken ?? accessToken, accessTokenSeconds, now)

  const authorize = (
    { clientId }: TokenClient,
    { accessToken, scope }: ProviderTokens,
    claims: Readonly<Record<string, unknown>>,
    scopes: readonly string[]
  ): Promise<Authorization> =>
    authorizeUser(config.authorizeUser, {
      claims: claims as UserClaims,
      tokens: { accessToken, scope },
      client: { id: clientId },
      scopes
    })

  /**
   * Obtains tokens of the provider for a refresh. A provider that does not rotate sends no refresh
   * token: the previous one stays valid (RFC 6749 §6).
   */
  async function refreshAtProvider (
    upstream: RefreshContent['upstream'],
    rotated: (refreshToken: string) => void
  ): Promise<ProviderTokens> {
    if ('refresh' in upstream) {
      const tokens = await provider.refresh(upstream.refresh, rotated)
      return { ...tokens, refreshToken: tokens.refreshToken ?? upstream.refresh }
    }
    if (provider.recheck === null) throw new McpOAuthError('invalidGrant')
    return await provider.recheck(upstream.access)
  }

  /** Opens a code or refresh token. Null if it is expired, of another client, or not one. */
  const open =
    <T extends { client: string }>(purpose: 'code' | 'refresh') =>
    async (value: string, { clientId, now }: Omit<TokenClient, 'key'>) => {
      const content = await sealer.open(purpose, value, now) as T | null
      return content?.client === hash(clientId) ? content : null
    }

  return {
    /** Issues a code for a login that returned from the provider. */
    async code (
      request: ApprovedRequest,
      upstreamCode: string,
      secrets: LoginSecrets,
      now: number
    ): Promise<string> {
      const ids = { id: randomId(), grant: randomId() }
      const content: CodeContent = { ...request, ...ids, upstreamCode, secrets }
      return await sealer.seal('code', content, codeSeconds, now)
    },
    openCode: open<CodeContent>('code'),
    openRefresh: open<RefreshContent>('refresh'),
    /** Opens the provider's token inside an access token of ours. */
    openUpstream: async (sealed: string, now: number) =>
      await sealer.open('access', sealed, now) as UpstreamAccess | null,
    /** Issues the first tokens of a grant. The code must have been consumed. */
    async begin (client: TokenClient, code: CodeContent): Promise<TokenResponse> {
      const { clientId, key, now } = client
      const { grant, resource } = code
      const tokens = await provider.redeem(code.upstreamCode, code.secrets)
      const subject = tokens.claims?.['sub']
      if (tokens.claims === null || !['string', 'number'].includes(typeof subject)) {
        throw failure('invalidGrant', 'The provider named no sub')
      }
      try {
        const authorization = await authorize(client, tokens, tokens.claims, code.scopes)
        await note(grant, tokens, now)
        const ids = { grant, client: hash(clientId), subject: String(subject) }
        const content = { ...ids, resource, key, ...authorization }
        return await issue(client, content, content.scopes, tokens)
      } catch (error) {
        // The tokens of the provider will not be used.
        revocation.endUpstream(tokens.refreshToken ?? tokens.accessToken)
        throw error
      }
    },
    /**
     * Issues the next tokens of a grant, bound to the key of `token`.
     *
     * @param scopes of the access token
     * @param rotated called as for {@link ProviderLogin}
     */
    async renew (
      client: TokenClient,
      { id, upstream, ...grant }: RefreshContent,
      scopes: readonly string[],
      rotated: (refreshToken: string) => void
    ): Promise<TokenResponse> {
      const tokens = await refreshAtProvider(upstream, rotated)
      if (tokens.claims !== null && String(tokens.claims['sub']) !== grant.subject) {
        throw failure('invalidGrant', 'The provider responded for another user')
      }
      const authorization = tokens.claims === null
        ? grant
        : await authorize(client, tokens, tokens.claims, grant.scopes)
      if (!await note(grant.grant, tokens, client.now)) throw new McpOAuthError('invalidGrant')
      const narrowed = scopes.filter(scope => authorization.scopes.includes(scope))
      return await issue(client, { ...grant, ...authorization }, narrowed, tokens)
    },
    /** Revokes the grant of a refresh token. */
    end: ({ grant, upstream }: RefreshContent, now: number): Promise<void> =>
      revocation.end(grant, now, 'refresh' in upstream ? upstream.refresh : upstream.access)
  }
}
