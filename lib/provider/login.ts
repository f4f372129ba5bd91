/** How does a user log in at the identity provider, and how are its tokens redeemed and renewed? */
import { randomBytes } from 'node:crypto'
import * as oidc from 'openid-client'
import { failure, McpOAuthError } from '../errors.ts'
import { createLimiter } from '../http/concurrency.ts'
import { withTimeout } from '../http/timeout.ts'
import {
  lookUpTimeoutMs,
  maxProviderRequests,
  maxQueuedProviderRequests,
  maxTokenChars
} from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import type { ProviderTraits } from '../types.ts'
import { hash } from '../util/hash.ts'
import { lazyOpenIdClient, secretAuthentication } from './client.ts'
import { callProvider, fetchAsUser } from './errors.ts'

/** The tokens of the provider for a user. */
export interface ProviderTokens {
  accessToken: string
  refreshToken: string | null
  /** Lifetime of the access token in seconds, null if the provider gives none. */
  expiresIn: number | null
  scope: string | null
  /** Verified claims about the user, null if the response has none (a refresh). */
  claims: Readonly<Record<string, unknown>> | null
}

/**
 * Our own secrets of one login at the provider: PKCE (RFC 7636) and nonce (OpenID Connect Core
 * §3.1.2.1).
 */
export interface LoginSecrets {
  verifier: string
  nonce: string
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

type TokenResponse = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/** Logins of users at the provider. */
export type ProviderLogin = ReturnType<typeof createProviderLogin>

/** Creates our client at the provider. 50 requests run at once, 200 wait, more are `overloaded`. */
export function createProviderLogin ({ metadata, ...options }: ProviderLoginOptions) {
  const { clientId, clientSecret, audience, redirectUri, traits } = options
  const { authorizationParameters = {}, tokenParameters = {}, identify } = traits
  const scopes = [...new Set([...options.scopes, ...traits.refreshScopes ?? []])]
  const limited = createLimiter({
    concurrency: maxProviderRequests,
    queue: maxQueuedProviderRequests
  })
  const client = lazyOpenIdClient(metadata, clientId, provider =>
    secretAuthentication(
      clientSecret,
      provider.token_endpoint_auth_methods_supported,
      traits.tokenEndpointAuthMethod
    ))

  /** Calls the provider with our client and its metadata. */
  const call = <T>(
    operation: (client: oidc.Configuration, server: oidc.ServerMetadata) => Promise<T>
  ) =>
    limited(async () => {
      const config = await client()
      const server = config.serverMetadata()
      if (server.jwks_uri !== undefined) oidc.enableNonRepudiationChecks(config)
      return await operation(config, server)
    })

  // A preset that looks users up does not use ID tokens, and its provider may issue none.
  const usesIdToken = scopes.includes('openid') && identify === undefined
  const lookUp = (accessToken: string) =>
    callProvider(async () =>
      await withTimeout(() => identify?.(accessToken, fetchAsUser), {
        milliseconds: lookUpTimeoutMs,
        error: () => new McpOAuthError('providerTimeout')
      }) ?? {}
    )

  async function claimsOf (config: oidc.Configuration, response: TokenResponse): Promise<object> {
    const token = response.access_token
    if (identify) return await lookUp(token)
    const claims = response.claims()
    if (claims) return claims
    if (config.serverMetadata().userinfo_endpoint === undefined) {
      const reason = 'the provider returned no claims about the user: add openid to the scopes'
      throw failure('invalidGrant', reason)
    }
    return await callProvider(() => oidc.fetchUserInfo(config, token, oidc.skipSubjectCheck))
  }

  const recheck = (accessToken: string): Promise<ProviderTokens> =>
    limited(async () => {
      const claims = await lookUp(accessToken)
      return { accessToken, refreshToken: null, expiresIn: null, scope: null, claims }
    })

  return {
    secrets: (): LoginSecrets => ({ verifier: random(), nonce: random() }),

    /**
     * Returns the URL of the login.
     *
     * @param wishes.offline requests a refresh token, if the provider has a scope for it
     */
    async loginUrl (
      state: string,
      { verifier, nonce }: LoginSecrets,
      { prompt, offline }: { prompt: string | undefined, offline: boolean }
    ): Promise<string> {
      const { authorization_endpoint: endpoint, scopes_supported: known = [] } = await metadata()
      if (endpoint === undefined) {
        throw failure(
          'providerMisbehaved',
          'the provider metadata have no authorization_endpoint'
        )
      }
      const requested = offline && known.includes('offline_access')
        ? [...new Set([...scopes, 'offline_access'])]
        : scopes
      const parameters: Record<string, string | undefined> = {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri(),
        scope: requested.join(' ') || undefined,
        state,
        code_challenge: hash(verifier),
        code_challenge_method: 'S256',
        nonce: usesIdToken ? nonce : undefined,
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

    /** Whether an authorization response comes from this provider (RFC 9207 §2.4). */
    async isFromProvider (iss: readonly string[]): Promise<boolean> {
      const { issuer, authorization_response_iss_parameter_supported: announced } = await metadata()
      return iss.length === 0 ? !announced : iss.length === 1 && iss[0] === issuer
    },

    /**
     * Loads the metadata of the provider, before a code or token is used up.
     *
     * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout`, `providerMisbehaved`
     */
    ready: metadata,

    /**
     * Redeems an authorization code. The request uses it up, even if the response is lost.
     *
     * @throws {McpOAuthError} `invalidGrant` if the provider rejected it or sent no valid response,
     *   `providerUnavailable` and `providerTimeout`
     */
    redeem: (code: string, { verifier, nonce }: LoginSecrets): Promise<ProviderTokens> =>
      call(async (config, server) => {
        const callback = new URL(redirectUri())
        callback.searchParams.set('code', code)
        // The issuer was checked in the callback; the library checks it again.
        if (server.authorization_response_iss_parameter_supported) {
          callback.searchParams.set('iss', server.issuer)
        }
        const response = await callProvider(() =>
          oidc.authorizationCodeGrant(config, callback, {
            pkceCodeVerifier: verifier,
            ...(usesIdToken && { expectedNonce: nonce })
          }, { ...tokenParameters })
        )
        return tokensOf(response, await claimsOf(config, response))
      }),

    /**
     * @param rotated receives a new refresh token at once: the old one may be invalid from then on,
     *   whatever fails afterwards
     * @throws {McpOAuthError} `invalidGrant` if the provider ended the grant,
     *   `providerUnavailable`, `providerTimeout` and `providerMisbehaved` otherwise
     */
    refresh: (
      refreshToken: string,
      rotated?: (refreshToken: string) => void
    ): Promise<ProviderTokens> =>
      call(async (config) => {
        const response = await callProvider(
          () => oidc.refreshTokenGrant(config, refreshToken, { ...tokenParameters }),
          'providerMisbehaved'
        )
        if (response.refresh_token) rotated?.(response.refresh_token)
        const claims = identify ? await lookUp(response.access_token) : response.claims() ?? null
        return tokensOf(response, claims)
      }),

    /** Looks a user up whose provider issues no refresh tokens; null if that is not possible. */
    recheck: traits.recheck && identify ? recheck : null,

    /**
     * Revokes a token at the provider (RFC 7009). Does nothing if the provider cannot.
     *
     * @throws {McpOAuthError} `invalidGrant` if the provider refused, `providerUnavailable`,
     *   `providerTimeout` and `providerMisbehaved` otherwise
     */
    revoke: (token: string): Promise<void> =>
      call(async (config, server) => {
        if (server.revocation_endpoint === undefined) return
        await callProvider(() => oidc.tokenRevocation(config, token), 'providerMisbehaved')
      })
  }
}

function random (): string {
  return randomBytes(32).toString('base64url')
}

/** Tokens that fit into a header, and into our own sealed tokens. */
const validToken = new RegExp(`^[\\x21-\\x7e]{1,${maxTokenChars}}$`)

function tokensOf (response: TokenResponse, claims: object | null): ProviderTokens {
  const { access_token: accessToken, token_type: type, scope } = response
  const refreshToken = response.refresh_token || null
  const hasValidTokens = [accessToken, refreshToken ?? 'none'].every(token =>
    validToken.test(token)
  )
  if (type !== 'bearer' || !hasValidTokens) {
    throw failure('invalidGrant', 'the provider returned no valid bearer token')
  }
  return {
    accessToken,
    refreshToken,
    expiresIn: response.expires_in ?? null,
    scope: scope ?? null,
    claims: claims && { ...claims }
  }
}
