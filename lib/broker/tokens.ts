import type { AuthorizeUser, AuthorizeVerdict, UpstreamAccess, UpstreamUser } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { McpOAuthError } from '../errors.ts'
import { maxTokenChars } from '../limits.ts'
import { issueAccessToken, randomId, type TokenResponse } from './access-token.ts'
import { hash } from '../util/hash.ts'
import type { Revocation } from './revocation.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { SigningKeys } from '../crypto/signing-keys.ts'
import type { LoginSecrets, ProviderLogin, ProviderTokens } from '../provider/login.ts'

/** What a login was asked for, carried from the authorization endpoint to the token endpoint. */
export interface ApprovedRequest {
  /** Hash of the client id: the id itself may be long. */
  readonly client: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly codeChallenge: string
  readonly resource: string
  /** Thumbprint of the one key the code is for (RFC 9449 §10). */
  readonly key?: string | undefined
  /** The client did not ask for refresh tokens, and gets none. */
  readonly once?: true
}

/** What is sealed into an authorization code: the provider's code is redeemed only when ours is. */
export interface CodeContent extends ApprovedRequest {
  readonly id: string
  readonly grant: string
  readonly upstreamCode: string
  readonly secrets: LoginSecrets
}

/** What is sealed into a refresh token. */
export interface RefreshContent {
  readonly id: string
  readonly grant: string
  readonly client: string
  readonly scopes: readonly string[]
  readonly resource: string
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  /** Thumbprint of the key the tokens of the grant are bound to (RFC 9449 §5). */
  readonly key?: string | undefined
  /**
   * The provider's refresh token; where it issues none, its access token, to look at the user
   * again.
   */
  readonly upstream: { readonly refresh: string } | { readonly access: string }
}

/** Seconds. */
export const lifetimes = { code: 60, access: 3600, refresh: 30 * 24 * 3600, grace: 30 } as const

/** Milliseconds the user's `authorizeUser` has. */
const hookLimit = 5_000

export interface TokenIssuerOptions {
  readonly sealer: Sealer
  readonly signing: SigningKeys
  readonly revocation: Revocation
  readonly provider: ProviderLogin
  readonly issuer: () => string
  readonly authorizeUser: AuthorizeUser | null
  readonly upstreamToken: boolean
}

/** Turns logins at the provider into tokens of ours. */
export interface TokenIssuer {
  /** A code for a login that came back from the provider. */
  code(
    asked: ApprovedRequest,
    upstreamCode: string,
    secrets: LoginSecrets,
    now: number
  ): Promise<string>
  openCode(code: string, now: number): Promise<CodeContent | null>
  /** First tokens of a grant, bound to a key if one is given. The code must have been consumed. */
  begin(
    clientId: string,
    code: CodeContent,
    key: string | undefined,
    now: number
  ): Promise<TokenResponse>
  /** The provider's token inside one of ours. */
  openUpstream(sealed: string, now: number): Promise<UpstreamAccess | null>
  openRefresh(token: string, now: number): Promise<RefreshContent | null>
  /** Next tokens of a grant. `rotated` as for {@link ProviderLogin}. */
  renew(
    clientId: string,
    refresh: RefreshContent,
    scopes: readonly string[],
    now: number,
    rotated?: (refreshToken: string) => void
  ): Promise<TokenResponse>
}

export function createTokenIssuer (options: TokenIssuerOptions): TokenIssuer {
  const { revocation, sealer, signing, provider, upstreamToken } = options

  async function issue (
    clientId: string,
    grant: Omit<RefreshContent, 'id' | 'upstream'>,
    tokens: ProviderTokens,
    granted: readonly string[],
    now: number
  ): Promise<TokenResponse> {
    const lifetime = Math.max(
      1,
      Math.floor(Math.min(lifetimes.access, tokens.expiresIn ?? lifetimes.access))
    )
    const issued = await issueAccessToken(
      signing,
      {
        issuer: options.issuer(),
        subject: grant.subject,
        clientId,
        resource: grant.resource,
        scopes: granted,
        grant: grant.grant,
        key: grant.key,
        claims: grant.claims,
        ...(upstreamToken &&
          {
            upstream: await sealer.seal(
              'access',
              { accessToken: tokens.accessToken, scope: tokens.scope },
              lifetime,
              now
            )
          })
      },
      lifetime,
      now
    )
    if (issued.access_token.length > maxTokenChars) {
      throw new McpOAuthError('internal', {
        cause: new Error(
          'the claims of authorizeUser, or the token of the provider, are too long for an access token'
        )
      })
    }
    const carried = tokens.refreshToken !== null
      ? { refresh: tokens.refreshToken }
      : provider.recheck && { access: tokens.accessToken }
    return {
      ...issued,
      ...(carried !== null &&
        {
          refresh_token: await sealer.seal(
            'refresh',
            { ...grant, id: randomId(), upstream: carried },
            lifetimes.refresh,
            now
          )
        })
    }
  }

  const note = (grant: string, { refreshToken, accessToken }: ProviderTokens, now: number) =>
    revocation.note(grant, refreshToken ?? accessToken, lifetimes.access, now)

  async function decide (
    clientId: string,
    { accessToken, scope }: ProviderTokens,
    user: Readonly<Record<string, unknown>>,
    scopes: readonly string[]
  ): Promise<{ scopes: readonly string[], claims: Readonly<Record<string, unknown>> }> {
    if (options.authorizeUser === null) return { scopes, claims: {} }
    const verdict = await limited(options.authorizeUser, {
      claims: user as UpstreamUser['claims'],
      tokens: { accessToken, scope },
      client: { id: clientId },
      scopes
    })
    if (verdict === false) {
      throw new McpOAuthError('accessDenied', { cause: new Error('authorizeUser said no') })
    }
    const { scopes: wanted = scopes, claims = {} } = verdict === true || verdict === undefined
      ? {}
      : verdict
    return { scopes: scopes.filter(scope => wanted.includes(scope)), claims: ownClaims(claims) }
  }

  /**
   * A provider that does not rotate says nothing about the refresh token: the one we have stays
   * good (RFC 6749 §6).
   */
  async function refreshed (
    token: string,
    rotated?: (refreshToken: string) => void
  ): Promise<ProviderTokens> {
    const tokens = await provider.refresh(token, rotated)
    return { ...tokens, refreshToken: tokens.refreshToken ?? token }
  }

  async function rechecked (accessToken: string): Promise<ProviderTokens> {
    if (provider.recheck === null) throw new McpOAuthError('invalidGrant')
    return await provider.recheck(accessToken)
  }

  return {
    code: (asked, upstreamCode, secrets, now) =>
      sealer.seal(
        'code',
        { ...asked, id: randomId(), grant: randomId(), upstreamCode, secrets },
        lifetimes.code,
        now
      ),
    openCode: async (code, now) => await sealer.open('code', code, now) as CodeContent | null,
    openUpstream: async (sealed, now) =>
      await sealer.open('access', sealed, now) as UpstreamAccess | null,
    openRefresh: async (token, now) =>
      await sealer.open('refresh', token, now) as RefreshContent | null,
    async begin (clientId, code, key, now) {
      const tokens = await provider.redeem(code.upstreamCode, code.secrets)
      const subject = tokens.claims?.['sub']
      if (
        tokens.claims === null || (typeof subject !== 'string' && typeof subject !== 'number')
      ) {
        throw new McpOAuthError('invalidGrant', {
          cause: new Error('the provider names no sub')
        })
      }
      try {
        const { scopes, claims } = await decide(clientId, tokens, tokens.claims, code.scopes)
        await note(code.grant, tokens, now)
        return await issue(
          clientId,
          {
            grant: code.grant,
            client: hash(clientId),
            scopes,
            resource: code.resource,
            subject: String(subject),
            claims,
            key
          },
          tokens,
          scopes,
          now
        )
      } catch (error) {
        // Nobody will use what the provider gave us.
        revocation.endUpstream(tokens.refreshToken ?? tokens.accessToken)
        throw error
      }
    },
    async renew (clientId, refresh, narrowed, now, rotated) {
      const { id, upstream: carried, ...grant } = refresh
      const tokens = 'refresh' in carried
        ? await refreshed(carried.refresh, rotated)
        : await rechecked(carried.access)
      const subject = tokens.claims?.['sub']
      if (tokens.claims !== null && String(subject) !== refresh.subject) {
        throw new McpOAuthError('invalidGrant', {
          cause: new Error('the provider answered for another user')
        })
      }
      const verdict = tokens.claims === null
        ? { scopes: refresh.scopes, claims: refresh.claims }
        : await decide(clientId, tokens, tokens.claims, refresh.scopes)
      if (!await note(grant.grant, tokens, now)) throw new McpOAuthError('invalidGrant')
      return await issue(
        clientId,
        { ...grant, ...verdict },
        tokens,
        narrowed.filter(scope => verdict.scopes.includes(scope)),
        now
      )
    }
  }
}

/** Claims a user's hook may add: never those that decide. */
function ownClaims (claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const reserved = new Set([
    'iss',
    'sub',
    'aud',
    'client_id',
    'scope',
    'scp',
    'scopes',
    'iat',
    'exp',
    'nbf',
    'jti',
    'gid',
    'upt',
    'cnf',
    '__proto__'
  ])
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !reserved.has(name)))
}

/** Runs the user's hook. Whatever goes wrong in it is never taken for a yes. */
async function limited (hook: AuthorizeUser, user: UpstreamUser): Promise<AuthorizeVerdict> {
  try {
    const verdict = await withTimeout(() => hook(user), {
      milliseconds: hookLimit,
      error: () => new Error('authorizeUser did not answer in time')
    })
    if (!isVerdict(verdict)) {
      throw new TypeError(
        'authorizeUser must answer with a boolean, nothing, or { scopes, claims }'
      )
    }
    return verdict
  } catch (cause) {
    const { statusCode } = Object(cause) as { statusCode?: unknown }
    throw new McpOAuthError(
      statusCode === 401 || statusCode === 403 ? 'accessDenied' : 'internal',
      { cause }
    )
  }
}

function isVerdict (value: unknown): value is AuthorizeVerdict {
  if (value === undefined || typeof value === 'boolean') return true
  if (!isPlain(value)) return false
  const { scopes, claims } = value
  return (scopes === undefined || Array.isArray(scopes)) &&
    (claims === undefined || isPlain(claims))
}

function isPlain (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
