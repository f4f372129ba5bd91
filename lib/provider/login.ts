/** How does a user log in at the identity provider, and how are its tokens redeemed and renewed? */
import type * as oidc from 'openid-client'
import { failure } from '../errors.ts'
import type { Condition } from '../http/condition.ts'
import { createLimiter, waitAtMost } from '../http/operations.ts'
import { maxProviderRequests, maxQueuedProviderRequests, requestTimeoutMs } from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { mergeScopes } from '../oauth/scope.ts'
import type { Log, ProviderTraits } from '../types.ts'
import { hash } from '../util/hash.ts'
import {
  authorizationUrl,
  callProvider,
  loadOidc,
  openIdClient,
  secretAuthentication
} from './client.ts'
import {
  tokenFetch,
  tokensOf,
  type OidcTokenResponse,
  type ProviderTokens,
  type ReceivedTokens
} from './tokens.ts'
import { createUserClaims } from './user.ts'

/**
 * Our own secrets of one login at the provider: PKCE (RFC 7636) and nonce (OpenID Connect Core
 * §3.1.2.1).
 */
export interface LoginSecrets {
  verifier: string
  nonce: string
}

/** Logins of users at the provider. */
export type ProviderLogin = ReturnType<typeof createProviderLogin>

/** Creates our client at the provider. 50 requests run at once, 200 wait, more are `overloaded`. */
export function createProviderLogin (
  { metadata, clientId, clientSecret, audience, redirectUri, traits, ...options }: {
    metadata: () => Promise<ProviderMetadata>
    clientId: string
    clientSecret: string | null
    scopes: readonly string[]
    audience: string | null
    traits: ProviderTraits
    /** Our callback, the one redirect URI the provider knows. */
    redirectUri: () => string
    needsClaims: boolean
    log?: Log | undefined
    condition?: Condition | undefined
  }
) {
  const { tokenParameters, identify } = traits
  const scopes = mergeScopes(options.scopes, traits.refreshScopes ?? [])
  const limiter = createLimiter(maxProviderRequests, maxQueuedProviderRequests)
  const { condition } = options
  const watch = <T>(call: () => Promise<T>) => condition ? condition.watch(call) : call()
  const limited = <T>(call: () => Promise<T>) => limiter(() => watch(call))
  async function clientFor (provider: ProviderMetadata, fetch?: oidc.CustomFetch) {
    const oidc = await loadOidc()
    const authentication = secretAuthentication(
      oidc,
      clientSecret,
      provider.token_endpoint_auth_methods_supported,
      traits.tokenEndpointAuthMethod
    )
    return openIdClient(oidc, provider, clientId, authentication, fetch)
  }

  /**
   * Sends a token request, and returns tokens with verified claims. It has a slot while a client
   * waits for it, and goes on without one: the provider may have replaced its token.
   */
  async function requestTokens (
    use: 'login' | 'refresh',
    options: Parameters<typeof tokenFetch>[0],
    request: (client: oidc.Configuration, provider: ProviderMetadata) => Promise<OidcTokenResponse>
  ) {
    async function send () {
      const provider = await metadata()
      const fetch = tokenFetch({ ...options, ignored: identify && 'id_token' })
      const client = await clientFor(provider, fetch)
      const response = await callProvider(() => request(client, provider))
      return tokensOf(response, await claimsOf(response, use === 'login'))
    }
    const { tokens } = await limiter(async () => {
      const tokens = watch(send)
      await waitAtMost(tokens, requestTimeoutMs)
      return { tokens }
    })
    return await tokens
  }

  // A preset that looks users up does not use ID tokens, and its provider may issue none.
  const usesIdToken = scopes.includes('openid') && identify === undefined
  const { lookUp, claimsOf } = createUserClaims({
    ...options,
    metadata,
    clientFor,
    scopes,
    identify
  })

  const recheck = (accessToken: string): Promise<ProviderTokens> =>
    limited(async () => {
      const claims = { ...await lookUp(accessToken) }
      return { accessToken, refreshToken: null, expiresIn: null, scope: null, claims }
    })

  return {
    /**
     * Returns the URL of the login.
     *
     * @param wishes.prompt that of the client, without `consent`
     * @param wishes.offline requests a refresh token, if the provider has a scope for it
     */
    async loginUrl (
      state: string,
      { verifier, nonce }: LoginSecrets,
      { prompt, offline }: { prompt: string | undefined, offline: boolean }
    ) {
      const { authorization_endpoint: endpoint, scopes_supported: known = [] } = await metadata()
      if (endpoint === undefined) {
        throw failure('providerMisbehaved', 'the provider metadata have no authorization_endpoint')
      }
      const added = offline && known.includes('offline_access') ? ['offline_access'] : []
      const { refreshScopes = [], offlineConsent = true, authorizationParameters } = traits
      // OpenID Connect Core §11: a provider may ignore offline_access without it.
      const asksConsent = offlineConsent && [...refreshScopes, ...added].includes('offline_access')
      const prompts = mergeScopes(
        prompt?.split(' ') ?? [],
        [authorizationParameters?.prompt ?? [], asksConsent ? 'consent' : []].flat()
      )
      return authorizationUrl(endpoint, {
        client_id: clientId,
        redirect_uri: redirectUri(),
        scope: mergeScopes(scopes, added).join(' ') || null,
        state,
        code_challenge: hash(verifier),
        nonce: usesIdToken ? nonce : null,
        audience,
        ...authorizationParameters,
        prompt: prompts.join(' ') || null
      })
    },

    /** Whether an authorization response comes from this provider (RFC 9207 §2.4). */
    async isFromProvider (iss: readonly string[]) {
      const { issuer, authorization_response_iss_parameter_supported: announced } = await metadata()
      return iss.length === 0 ? !announced : iss.length === 1 && iss[0] === issuer
    },

    /**
     * Loads the metadata of the provider and its client, before a code or token is used up.
     *
     * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout`, `providerMisbehaved`
     */
    async ready () {
      await loadOidc()
      await metadata()
    },

    /**
     * Redeems an authorization code. The request uses it up, even if the response is lost.
     *
     * @param received is called with a successful response as soon as it arrives, before anything
     *   in it is verified
     * @param kept such a response: it is verified again, and nothing is sent
     * @throws {McpOAuthError} `invalidGrant` if the provider rejected the code,
     *   `providerUnavailable`, `providerTimeout` and `providerMisbehaved` otherwise
     */
    redeem: (
      code: string,
      { verifier, nonce }: LoginSecrets,
      received?: (tokens: ReceivedTokens) => void,
      kept?: ReceivedTokens['answer']
    ) =>
      requestTokens('login', { received, kept }, async (client, provider) => {
        const { authorizationCodeGrant } = await loadOidc()
        const callback = new URL(redirectUri())
        callback.searchParams.set('code', code)
        // The issuer was checked in the callback; the library checks it again.
        if (provider.authorization_response_iss_parameter_supported) {
          callback.searchParams.set('iss', provider.issuer)
        }
        return await authorizationCodeGrant(client, callback, {
          pkceCodeVerifier: verifier,
          ...(usesIdToken && { expectedNonce: nonce })
        }, tokenParameters)
      }),

    /**
     * @param received as for `redeem`: from then on the old refresh token may be invalid
     * @throws {McpOAuthError} `invalidGrant` if the provider ended the grant,
     *   `providerUnavailable`, `providerTimeout` and `providerMisbehaved` otherwise
     */
    refresh: (refreshToken: string, received?: (tokens: ReceivedTokens) => void) =>
      requestTokens(
        'refresh',
        { received },
        async client => {
          const { refreshTokenGrant } = await loadOidc()
          return await refreshTokenGrant(client, refreshToken, tokenParameters)
        }
      ),

    /** Looks a user up whose provider issues no refresh tokens; null if that is not possible. */
    recheck: traits.recheck && identify ? recheck : null,

    /**
     * Revokes a token at the provider (RFC 7009). Does nothing if the provider cannot.
     *
     * @throws {McpOAuthError} `invalidGrant` if the provider refused, `providerUnavailable`,
     *   `providerTimeout` and `providerMisbehaved` otherwise
     */
    revoke: (token: string) =>
      limited(async () => {
        const provider = await metadata()
        if (provider.revocation_endpoint === undefined) return
        const { tokenRevocation } = await loadOidc()
        const client = await clientFor(provider)
        await callProvider(() => tokenRevocation(client, token))
      })
  }
}
