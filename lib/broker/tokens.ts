/** How does a login at the provider become tokens of ours? */

import type { Sealer } from '../crypto/sealer.ts'
import type { SigningKeys } from '../crypto/signing-keys.ts'
import { McpOAuthError } from '../errors.ts'
import { accessTokenSeconds, codeSeconds, maxTokenChars, refreshTokenSeconds } from '../limits.ts'
import type { LoginSecrets, ProviderLogin, ProviderTokens } from '../provider/login.ts'
import type { AuthorizeUser, UpstreamAccess, UserClaims } from '../types.ts'
import { hash } from '../util/hash.ts'
import { issueAccessToken, randomId, type TokenResponse } from './access-token.ts'
import { authorizeUser, type Authorization } from './authorize-user.ts'
import type { Revocation } from './revocation.ts'

/** What a user agreed to. It travels from the consent page to the token endpoint. */
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

/** What the tokens of a grant have in common. */
interface GrantContent {
  readonly grant: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly resource: string
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  /** Thumbprint of the key the tokens are bound to (RFC 9449 §5). */
  readonly key?: string | undefined
}

/** Content of a refresh token. */
export interface RefreshContent extends GrantContent {
  readonly id: string
  /** The provider's refresh token, or its access token if it issues no refresh tokens. */
  readonly upstream: { readonly refresh: string } | { readonly access: string }
}

/** The authenticated client of a token request. */
interface TokenClient {
  readonly clientId: string
  readonly key: string | undefined
  readonly now: number
}

export interface TokenIssuerOptions {
  readonly sealer: Sealer
  readonly signing: SigningKeys
  readonly revocation: Revocation
  readonly provider: ProviderLogin
  readonly issuer: () => string
  readonly authorizeUser: AuthorizeUser | null
  readonly upstreamToken: boolean
}

/** Issues and opens codes and tokens. `now` is in seconds since 1970. */
export interface TokenIssuer {
  /** Issues a code for a login that came back from the provider. */
  code(
    request: ApprovedRequest,
    upstreamCode: string,
    secrets: LoginSecrets,
    now: number
  ): Promise<string>
  openCode(code: string, now: number): Promise<CodeContent | null>
  openRefresh(token: string, now: number): Promise<RefreshContent | null>
  /** Opens the provider's token inside an access token of ours. */
  openUpstream(sealed: string, now: number): Promise<UpstreamAccess | null>
  /** Issues the first tokens of a grant. The code must have been consumed. */
  begin(client: TokenClient, code: CodeContent): Promise<TokenResponse>
  /**
   * Issues the next tokens of a grant, bound to the key of `token`.
   *
   * @param scopes of the access token
   * @param rotated called as for {@link ProviderLogin}
   */
  renew(
    client: TokenClient,
    token: RefreshContent,
    scopes: readonly string[],
    rotated?: (refreshToken: string) => void
  ): Promise<TokenResponse>
}

/** Creates the token issuer of a broker. */
export function createTokenIssuer (options: TokenIssuerOptions): TokenIssuer {
  const { revocation, sealer, signing, provider } = options

  /** Issues tokens of a grant. Only the access token is narrowed to `scopes`. */
  async function issue (
    { clientId, now }: TokenClient,
    grant: GrantContent,
    scopes: readonly string[],
    tokens: ProviderTokens
  ): Promise<TokenResponse> {
    const { expiresIn, accessToken, scope } = tokens
    const longest = Math.min(accessTokenSeconds, expiresIn ?? accessTokenSeconds)
    const lifetime = Math.max(1, Math.floor(longest))
    const { subject, resource, key, claims } = grant
    const content = {
      issuer: options.issuer(),
      subject,
      clientId,
      resource,
      scopes,
      grant: grant.grant,
      key,
      claims,
      ...(options.upstreamToken && {
        upstream: await sealer.seal('access', { accessToken, scope }, lifetime, now)
      })
    }
    const response = await issueAccessToken(signing, content, lifetime, now)
    if (response.access_token.length > maxTokenChars) {
      throw failed(
        'internal',
        'The claims of authorizeUser, or the token of the provider, are too long for an access token'
      )
    }
    const refreshToken = await sealRefresh(grant, tokens, now)
    return { ...response, ...(refreshToken !== null && { refresh_token: refreshToken }) }
  }

  /** Seals a refresh token, or returns null if the provider offers no way to check a user again. */
  async function sealRefresh (
    grant: GrantContent,
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

  const authorize = async (
    { clientId }: TokenClient,
    { accessToken, scope }: ProviderTokens,
    claims: Readonly<Record<string, unknown>>,
    scopes: readonly string[]
  ): Promise<Authorization> =>
    await authorizeUser(options.authorizeUser, {
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
    rotated?: (refreshToken: string) => void
  ): Promise<ProviderTokens> {
    if ('refresh' in upstream) {
      const tokens = await provider.refresh(upstream.refresh, rotated)
      return { ...tokens, refreshToken: tokens.refreshToken ?? upstream.refresh }
    }
    if (provider.recheck === null) throw new McpOAuthError('invalidGrant')
    return await provider.recheck(upstream.access)
  }

  const open = <T>(purpose: 'code' | 'access' | 'refresh') => async (value: string, now: number) =>
    await sealer.open(purpose, value, now) as T | null

  return {
    async code (request, upstreamCode, secrets, now) {
      const ids = { id: randomId(), grant: randomId() }
      const content: CodeContent = { ...request, ...ids, upstreamCode, secrets }
      return await sealer.seal('code', content, codeSeconds, now)
    },
    openCode: open<CodeContent>('code'),
    openRefresh: open<RefreshContent>('refresh'),
    openUpstream: open<UpstreamAccess>('access'),
    async begin (client, code) {
      const { clientId, key, now } = client
      const { grant, resource } = code
      const tokens = await provider.redeem(code.upstreamCode, code.secrets)
      const subject = tokens.claims?.['sub']
      if (tokens.claims === null || !['string', 'number'].includes(typeof subject)) {
        throw failed('invalidGrant', 'The provider named no sub')
      }
      try {
        const authorization = await authorize(client, tokens, tokens.claims, code.scopes)
        await note(grant, tokens, now)
        const content = {
          grant,
          client: hash(clientId),
          resource,
          subject: String(subject),
          key,
          ...authorization
        }
        return await issue(client, content, authorization.scopes, tokens)
      } catch (error) {
        // The tokens of the provider will not be used.
        revocation.endUpstream(tokens.refreshToken ?? tokens.accessToken)
        throw error
      }
    },
    async renew (client, { id, upstream, ...grant }, scopes, rotated) {
      const tokens = await refreshAtProvider(upstream, rotated)
      if (tokens.claims !== null && String(tokens.claims['sub']) !== grant.subject) {
        throw failed('invalidGrant', 'The provider responded for another user')
      }
      const authorization = tokens.claims === null
        ? { scopes: grant.scopes, claims: grant.claims }
        : await authorize(client, tokens, tokens.claims, grant.scopes)
      if (!await note(grant.grant, tokens, client.now)) throw new McpOAuthError('invalidGrant')
      const narrowed = scopes.filter(scope => authorization.scopes.includes(scope))
      return await issue(client, { ...grant, ...authorization }, narrowed, tokens)
    }
  }
}

function failed (kind: 'internal' | 'invalidGrant', reason: string): McpOAuthError {
  return new McpOAuthError(kind, { cause: new Error(reason) })
}
