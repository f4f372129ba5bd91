/** How does a user log in at the identity provider, and how are its tokens redeemed and renewed? */
import { randomBytes } from 'node:crypto'
import * as oidc from 'openid-client'
import type { ProviderTraits } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { lookUpTimeoutMs, maxProviderRequests, maxQueuedProviderRequests } from '../limits.ts'
import { McpOAuthError } from '../errors.ts'
import { createLimiter } from '../http/concurrency.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { challengeOf } from '../oauth/pkce.ts'
import { createOpenIdClient, secretAuthentication } from './client.ts'
import { fetchAsUser, callProvider } from './errors.ts'

/** The tokens of the provider for a user. */
export interface ProviderTokens {
  readonly accessToken: string
  readonly refreshToken: string | null
  /** Lifetime of the access token in seconds, null if the provider gives none. */
  readonly expiresIn: number | null
  readonly scope: string | null
  /** Verified claims about the user, null if the response has none (a refresh). */
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

/** Our client at the provider. Fifty requests run at once, 200 wait, more are `overloaded`. */
export interface ProviderLogin {
  secrets(): LoginSecrets
  /** URL of the login. `offline` requests a refresh token, if the provider has a scope for it. */
  loginUrl(
    state: string,
    secrets: LoginSecrets,
    wishes: { prompt: string | undefined, offline: boolean }
  ): Promise<string>
  /** Whether an authorization response comes from this provider (RFC 9207 §2.4). */
  isFromProvider(iss: readonly string[]): Promise<boolean>
  /**
   * Loads the metadata of the provider, before a code or token is used up.
   *
   * @throws McpOAuthError `providerUnavailable`, `providerTimeout`, `providerMisbehaved`
   */
  ready(): Promise<unknown>
  /**
   * Redeems an authorization code. It is spent once it was sent, even if the response is lost.
   *
   * @throws McpOAuthError `invalidGrant` if the provider refused or sent no valid response,
   *   `providerUnavailable` and `providerTimeout`
   */
  redeem(code: string, secrets: LoginSecrets): Promise<ProviderTokens>
  /**
   * @param rotated receives a new refresh token at once: the old one may be invalid from then on,
   *   whatever fails afterwards
   * @throws McpOAuthError `invalidGrant` if the provider ended the grant, `providerUnavailable`,
   *   `providerTimeout` and `providerMisbehaved` otherwise
   */
  refresh(refreshToken: string, rotated?: (refreshToken: string) => void): Promise<ProviderTokens>
  /** Checks a user whose provider issues no refresh tokens; null if that is not possible. */
  readonly recheck: ((accessToken: string) => Promise<ProviderTokens>) | null
  /**
   * Revokes a token at the provider (RFC 7009). Does nothing if the provider cannot.
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

  // Kept as long as the metadata: it caches the keys of the provider.
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

  const limited = createLimiter({
    concurrency: maxProviderRequests,
    queue: maxQueuedProviderRequests
  })

  // A preset that lookUps users up does not use ID tokens, and its provider may issue none.
  const identified = scopes.includes('openid') && identify === undefined
  const lookUp = (accessToken: string) =>
    callProvider(async () =>
      await withTimeout(() => identify?.(accessToken, fetchAsUser), {
        milliseconds: lookUpTimeoutMs,
        error: () => new McpOAuthError('providerTimeout')
      }) ?? {}
    )

  async function claimsOf (config: oidc.Configuration, answer: Answer): Promise<object> {
    if (identify) return await lookUp(answer.access_token)
    const claims = answer.claims()
    if (claims) return claims
    if (config.serverMetadata().userinfo_endpoint === undefined) {
      throw new McpOAuthError('invalidGrant', {
        cause: new Error('the provider returned no claims about the user: add openid to the scopes')
      })
    }
    return await callProvider(() =>
      oidc.fetchUserInfo(config, answer.access_token, oidc.skipSubjectCheck)
    )
  }

  const recheck = (accessToken: string) =>
    limited(async () => {
      const claims = await lookUp(accessToken)
      return { accessToken, refreshToken: null, expiresIn: null, scope: null, claims }
    })

  return {
    secrets: () => ({ verifier: random(), nonce: random() }),
    async loginUrl (state, { verifier, nonce }, { prompt, offline }) {
      const { authorization_endpoint: endpoint, scopes_supported: known = [] } = await options
        .metadata()
      const requested = offline && known.includes('offline_access')
        ? [...new Set([...scopes, 'offline_access'])]
        : scopes
      if (endpoint === undefined) {
        throw new McpOAuthError('providerMisbehaved', {
          cause: new Error('the provider metadata has no authorization_endpoint')
        })
      }
      const parameters: Record<string, string | undefined> = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri(),
        scope: requested.join(' ') || undefined,
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
      limited(async () => {
        const config = await configuration()
        const callback = new URL(redirectUri())
        callback.searchParams.set('code', code)
        // The issuer was checked in the callback; the library checks it again.
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
      limited(async () => {
        const config = await configuration()
        const answer = await callProvider(
          () => oidc.refreshTokenGrant(config, refreshToken, { ...tokenParameters }),
          'providerMisbehaved'
        )
        if (answer.refresh_token) rotated?.(answer.refresh_token)
        return tokensOf(
          answer,
          identify ? await lookUp(answer.access_token) : answer.claims() ?? null
        )
      }),
    recheck: traits.recheck && identify ? recheck : null,
    revoke: token =>
      limited(async () => {
        const config = await configuration()
        if (config.serverMetadata().revocation_endpoint === undefined) return
        await callProvider(() => oidc.tokenRevocation(config, token), 'providerMisbehaved')
      })
  }
}

type Answer = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

const random = () => randomBytes(32).toString('base64url')

/** Tokens that fit into a header, and into our own sealed tokens. */
const validToken = /^[\x21-\x7e]{1,8192}$/

function tokensOf (answer: Answer, claims: object | null): ProviderTokens {
  const { access_token: accessToken, refresh_token: refreshToken, scope } = answer
  if (
    answer.token_type !== 'bearer' ||
    ![accessToken, refreshToken || 'none'].every(token => validToken.test(token))
  ) {
    throw new McpOAuthError('invalidGrant', {
      cause: new Error('the provider returned no valid bearer token')
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
