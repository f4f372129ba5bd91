/** How does a user log in at the identity provider, and how are its tokens redeemed and renewed? */
import * as oidc from 'openid-client'
import { failure, McpOAuthError } from '../errors.ts'
import { createLimiter, withTimeout } from '../http/operations.ts'
import {
  lookUpTimeoutMs,
  maxProviderRequests,
  maxQueuedProviderRequests,
  maxTokenChars
} from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import { mergeScopes } from '../oauth/scope.ts'
import type { ProviderTraits } from '../types.ts'
import { hash } from '../util/hash.ts'
import { callProvider, fetchAsUser, lazyOpenIdClient, secretAuthentication } from './client.ts'

/** The tokens of the provider for a user. */
export type ProviderTokens = ReturnType<typeof tokensOf>

/**
 * Our own secrets of one login at the provider: PKCE (RFC 7636) and nonce (OpenID Connect Core
 * §3.1.2.1).
 */
export interface LoginSecrets {
  verifier: string
  nonce: string
}

type TokenResponse = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

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
  }
) {
  const { tokenParameters, identify } = traits
  const scopes = mergeScopes(options.scopes, traits.refreshScopes ?? [])
  const limited = createLimiter(maxProviderRequests, maxQueuedProviderRequests)
  const client = lazyOpenIdClient(metadata, clientId, provider =>
    secretAuthentication(
      clientSecret,
      provider.token_endpoint_auth_methods_supported,
      traits.tokenEndpointAuthMethod
    ))

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
      await withTimeout(
        () => identify?.(accessToken, fetchAsUser),
        lookUpTimeoutMs,
        () => new McpOAuthError('providerTimeout')
      ) ?? {}
    )

  /** Claims of the user without another request to userinfo; null if there are none. */
  const claimsOf = async (response: TokenResponse) =>
    identify ? await lookUp(response.access_token) : response.claims() ?? null

  async function userInfo (config: oidc.Configuration, token: string) {
    if (config.serverMetadata().userinfo_endpoint === undefined) {
      const reason = 'the provider returned no claims about the user: add openid to the scopes'
      throw failure('invalidGrant', reason)
    }
    return await callProvider(() => oidc.fetchUserInfo(config, token, oidc.skipSubjectCheck))
  }

  const recheck = (accessToken: string): Promise<ProviderTokens> =>
    limited(async () => {
      const claims = { ...await lookUp(accessToken) }
      return { accessToken, refreshToken: null, expiresIn: null, scope: null, claims }
    })

  return {
    secrets: (): LoginSecrets => ({
      verifier: oidc.randomPKCECodeVerifier(),
      nonce: oidc.randomNonce()
    }),

    /**
     * Returns the URL of the login.
     *
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
      return authorizationUrl(endpoint, {
        client_id: clientId,
        redirect_uri: redirectUri(),
        scope: mergeScopes(scopes, added).join(' ') || null,
        state,
        code_challenge: hash(verifier),
        nonce: usesIdToken ? nonce : null,
        audience,
        prompt,
        ...traits.authorizationParameters
      })
    },

    /** Whether an authorization response comes from this provider (RFC 9207 §2.4). */
    async isFromProvider (iss: readonly string[]) {
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
    redeem: (code: string, { verifier, nonce }: LoginSecrets) =>
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
          }, tokenParameters)
        )
        const claims = await claimsOf(response) ?? await userInfo(config, response.access_token)
        return tokensOf(response, claims)
      }),

    /**
     * @param rotated receives a new refresh token at once: the old one may be invalid from then on,
     *   whatever fails afterwards
     * @throws {McpOAuthError} `invalidGrant` if the provider ended the grant,
     *   `providerUnavailable`, `providerTimeout` and `providerMisbehaved` otherwise
     */
    refresh: (refreshToken: string, rotated?: (refreshToken: string) => void) =>
      call(async (config) => {
        const response = await callProvider(
          () => oidc.refreshTokenGrant(config, refreshToken, tokenParameters),
          'providerMisbehaved'
        )
        if (response.refresh_token) rotated?.(response.refresh_token)
        return tokensOf(response, await claimsOf(response))
      }),

    /** Looks a user up whose provider issues no refresh tokens; null if that is not possible. */
    recheck: traits.recheck && identify ? recheck : null,

    /**
     * Revokes a token at the provider (RFC 7009). Does nothing if the provider cannot.
     *
     * @throws {McpOAuthError} `invalidGrant` if the provider refused, `providerUnavailable`,
     *   `providerTimeout` and `providerMisbehaved` otherwise
     */
    revoke: (token: string) =>
      call(async (config, server) => {
        if (server.revocation_endpoint === undefined) return
        await callProvider(() => oidc.tokenRevocation(config, token), 'providerMisbehaved')
      })
  }
}

/**
 * Returns the URL of an authorization request with PKCE (RFC 7636 §4.3). The endpoint may have a
 * query (a tenant, a policy), but must not repeat our parameters.
 *
 * @param parameters are left out if null or undefined
 */
export function authorizationUrl (
  endpoint: string,
  parameters: Record<string, string | null | undefined>
) {
  const url = new URL(endpoint)
  const all = { response_type: 'code', code_challenge_method: 'S256', ...parameters }
  for (const [name, value] of Object.entries(all)) {
    url.searchParams.delete(name)
    if (value != null) url.searchParams.append(name, value)
  }
  return url.href
}

/** Tokens that fit into a header, and into our own sealed tokens. */
const validToken = new RegExp(`^[\\x21-\\x7e]{1,${maxTokenChars}}$`)

function tokensOf (response: TokenResponse, claims: object | null) {
  const { access_token: accessToken, token_type: type, scope = null } = response
  const refreshToken = response.refresh_token || null
  const areValid = [accessToken, refreshToken ?? 'none'].every(token => validToken.test(token))
  if (type !== 'bearer' || !areValid) {
    throw failure('invalidGrant', 'the provider returned no valid bearer token')
  }
  return {
    accessToken,
    refreshToken,
    /** Lifetime of the access token in seconds, null if the provider gives none. */
    expiresIn: response.expires_in ?? null,
    scope,
    /** Verified claims about the user, null if the response has none (a refresh). */
    claims: claims && { ...claims } as Record<string, unknown>
  }
}
