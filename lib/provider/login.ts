import { randomBytes } from 'node:crypto'
import * as oidc from 'openid-client'
import type { ProviderTraits } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { McpOAuthError } from '../errors.ts'
import { createLimiter } from '../http/concurrency.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { challengeOf } from '../oauth/pkce.ts'
import { createOpenIdClient, secretAuthentication } from './client.ts'
import { fetchAsUser, callProvider } from './errors.ts'

/** What the provider gave us for a user. */
export interface ProviderTokens {
  readonly accessToken: string
  readonly refreshToken: string | null
  /** Seconds the access token lives, as the provider says; null if it does not. */
  readonly expiresIn: number | null
  readonly scope: string | null
  /** Verified claims about the user; null where the answer had none (a refresh). */
  readonly claims: Readonly<Record<string, unknown>> | null
}

/**
 * Our own secrets of one login at the provider: PKCE (RFC 7636) and nonce (OpenID Connect Core
 * §3.1.2.1).
 */
export interface LoginSecrets {
  readonly verifier: string
  readonly nonce: string
}

export interface ProviderLoginOptions {
  metadata: () => Promise<ProviderMetadata>
  clientId: string
  clientSecret: string | null
  scopes: readonly string[]
  audience: string | null
  traits: ProviderTraits
  /** Our callback, the one redirect URI the provider knows. */
  redirectUri: () => string
}

/**
 * The provider, as its client sees it. Fifty requests run at once, two hundred wait; of more each
 * is `overloaded`, and not sent.
 */
export interface ProviderLogin {
  secrets(): LoginSecrets
  /**
   * Where the user logs in. `offline` asks for a refresh token where the provider has a scope for
   * that.
   */
  loginUrl(
    state: string,
    secrets: LoginSecrets,
    wishes: { prompt: string | undefined, offline: boolean }
  ): Promise<string>
  /** Whether an authorization response comes from this provider (RFC 9207 §2.4). */
  isFromProvider(iss: readonly string[]): Promise<boolean>
  /**
   * Sees to it that we know the provider, before something is used up.
   *
   * @throws McpOAuthError `providerUnavailable`, `providerTimeout`, `providerMisbehaved`
   */
  ready(): Promise<unknown>
  /**
   * Redeems a code. Once: whatever goes wrong after it was sent, the code is spent.
   *
   * @throws McpOAuthError `invalidGrant` if the provider refused or answered nonsense,
   *   `providerUnavailable` and `providerTimeout`
   */
  redeem(code: string, secrets: LoginSecrets): Promise<ProviderTokens>
  /**
   * @param rotated told the new refresh token as soon as there is one: the old one may be good for
   *   nothing, whatever fails then
   * @throws McpOAuthError `invalidGrant` if the provider ended the grant, `providerUnavailable`,
   *   `providerTimeout` and `providerMisbehaved` otherwise
   */
  refresh(refreshToken: string, rotated?: (refreshToken: string) => void): Promise<ProviderTokens>
  /**
   * Looks at a user again whose provider issues no refresh tokens; null where that is not possible.
   */
  readonly recheck: ((accessToken: string) => Promise<ProviderTokens>) | null
  /**
   * Ends a token at the provider (RFC 7009). Does nothing where the provider cannot.
   *
   * @throws McpOAuthError `invalidGrant` if the provider refused, `providerUnavailable`,
   *   `providerTimeout` and `providerMisbehaved` otherwise
   */
  revoke(token: string): Promise<void>
}

export function createProviderLogin (options: ProviderLoginOptions): ProviderLogin {
  const { clientId, clientSecret, audience, redirectUri, traits } = options
  const { authorizationParameters = {}, tokenParameters = {}, identify } = traits
  const scopes = [...new Set([...options.scopes, ...traits.refreshScopes ?? []])]

  // Kept as long as the metadata are: the keys of the provider are cached in it.
  let known: { metadata: ProviderMetadata, config: oidc.Configuration } | undefined
  async function configuration (): Promise<oidc.Configuration> {
    const metadata = await options.metadata()
    if (known?.metadata === metadata) return known.config
    const config = createOpenIdClient(
      metadata,
      clientId,
      secretAuthentication(
        clientSecret,
        metadata.token_endpoint_auth_methods_supported,
        traits.tokenEndpointAuthMethod
      )
    )
    if (metadata.jwks_uri !== undefined) oidc.enableNonRepudiationChecks(config)
    known = { metadata, config }
    return config
  }

  const inTurn = createLimiter({ concurrency: 50, queue: 200 })

  // Whoever looks users up has no use for an ID token, and may get none.
  const identified = scopes.includes('openid') && identify === undefined
  const look = (accessToken: string) =>
    callProvider(async () =>
      await withTimeout(() => identify?.(accessToken, fetchAsUser), {
        milliseconds: lookLimit,
        error: () => new McpOAuthError('providerTimeout')
      }) ?? {}
    )

  async function claimsOf (config: oidc.Configuration, answer: Answer): Promise<object> {
    if (identify) return await look(answer.access_token)
    const claims = answer.claims()
    if (claims) return claims
    if (config.serverMetadata().userinfo_endpoint === undefined) {
      throw new McpOAuthError('invalidGrant', {
        cause: new Error('the provider says nothing about the user: ask for the scope openid')
      })
    }
    return await callProvider(() =>
      oidc.fetchUserInfo(config, answer.access_token, oidc.skipSubjectCheck)
    )
  }

  return {
    secrets: () => ({ verifier: random(), nonce: random() }),
    async loginUrl (state, { verifier, nonce }, { prompt, offline }) {
      const { authorization_endpoint: endpoint, scopes_supported: known = [] } = await options
        .metadata()
      const asked = offline && known.includes('offline_access')
        ? [...new Set([...scopes, 'offline_access'])]
        : scopes
      if (endpoint === undefined) {
        throw new McpOAuthError('providerMisbehaved', {
          cause: new Error('the metadata of the provider name no authorization endpoint')
        })
      }
      const parameters: Record<string, string | undefined> = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri(),
        scope: asked.join(' ') || undefined,
        state,
        code_challenge: challengeOf(verifier),
        code_challenge_method: 'S256',
        nonce: identified ? nonce : undefined,
        audience: audience ?? undefined,
        prompt,
        ...authorizationParameters
      }
      const url = new URL(endpoint)
      for (const [name, value] of Object.entries(parameters)) {
        url.searchParams.delete(name)
        if (value !== undefined) url.searchParams.append(name, value)
      }
      return url.href
    },
    async isFromProvider (iss) {
      const { issuer, authorization_response_iss_parameter_supported: announced } = await options
        .metadata()
      return announced || iss.length > 0 ? iss.length === 1 && iss[0] === issuer : true
    },
    ready: options.metadata,
    redeem: (code, { verifier, nonce }) =>
      inTurn(async () => {
        const config = await configuration()
        const callback = new URL(redirectUri())
        callback.searchParams.set('code', code)
        // Where the answer came from was checked when it came; the library wants to see it again.
        if (config.serverMetadata().authorization_response_iss_parameter_supported) {
          callback.searchParams.set('iss', config.serverMetadata().issuer)
        }
        const answer = await callProvider(() =>
          oidc.authorizationCodeGrant(config, callback, {
            pkceCodeVerifier: verifier,
            ...(identified && { expectedNonce: nonce })
          }, { ...tokenParameters })
        )
        return tokensOf(answer, await claimsOf(config, answer))
      }),
    refresh: (refreshToken, rotated) =>
      inTurn(async () => {
        const config = await configuration()
        const answer = await callProvider(
          () => oidc.refreshTokenGrant(config, refreshToken, { ...tokenParameters }),
          'providerMisbehaved'
        )
        if (answer.refresh_token) rotated?.(answer.refresh_token)
        return tokensOf(
          answer,
          identify ? await look(answer.access_token) : answer.claims() ?? null
        )
      }),
    recheck: traits.recheck && identify
      ? accessToken =>
        inTurn(async () => ({
          accessToken,
          refreshToken: null,
          expiresIn: null,
          scope: null,
          claims: await look(accessToken)
        }))
      : null,
    revoke: token =>
      inTurn(async () => {
        const config = await configuration()
        if (config.serverMetadata().revocation_endpoint === undefined) return
        await callProvider(() => oidc.tokenRevocation(config, token), 'providerMisbehaved')
      })
  }
}

type Answer = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/** Milliseconds a look at a user may take, however many requests it makes. */
const lookLimit = 5_000

/** What fits into a header, and sealed into our own tokens. */
const usable = /^[\x21-\x7e]{1,8192}$/

function tokensOf (answer: Answer, claims: object | null): ProviderTokens {
  const { access_token: accessToken, refresh_token: refreshToken, scope } = answer
  if (
    answer.token_type !== 'bearer' ||
    ![accessToken, refreshToken || 'none'].every(token => usable.test(token))
  ) {
    throw new McpOAuthError('invalidGrant', {
      cause: new Error('the provider gave no usable bearer token')
    })
  }
  return {
    accessToken,
    refreshToken: refreshToken || null,
    expiresIn: answer.expires_in ?? null,
    scope: scope ?? null,
    claims: claims === null ? null : { ...claims }
  }
}

function random (): string {
  return randomBytes(32).toString('base64url')
}
