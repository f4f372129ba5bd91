/** In which ways may a provider differ from the standards? */

/** How a provider deviates from OAuth 2.1 and OpenID Connect. The presets set these. */
export interface ProviderTraits {
  /** The metadata, for a provider that publishes none. */
  metadata?: {
    authorization_endpoint: string
    token_endpoint: string
    userinfo_endpoint?: string
    revocation_endpoint?: string
    code_challenge_methods_supported?: string[]
    token_endpoint_auth_methods_supported?: string[]
  }
  /** Additional parameters of the authorization URL, such as `access_type=offline`. */
  authorizationParameters?: Readonly<Record<string, string>>
  /** Additional parameters of token requests. */
  tokenParameters?: Readonly<Record<string, string>>
  /**
   * Returns the claims of the user, with `sub`, for a provider without ID tokens. It receives the
   * access token, and a fetch that is bounded in time and bytes.
   */
  identify?: (
    accessToken: string,
    fetchJson: FetchJson
  ) => Promise<Readonly<Record<string, unknown>>>
  /**
   * Whether `identify` is called again at each refresh, with the access token of the login, if the
   * provider issued no refresh token.
   */
  recheck?: boolean
  /**
   * How our client secret is sent to the token endpoint. Default: `client_secret_basic`, unless the
   * metadata list only `client_secret_post`.
   */
  tokenEndpointAuthMethod?: 'client_secret_basic' | 'client_secret_post'
  /** Scopes requested so that the provider issues refresh tokens, such as `offline_access`. */
  refreshScopes?: readonly string[]
  /** Whether `prompt=consent` is sent with `offline_access`. Default `true`: OpenID Core §11. */
  offlineConsent?: boolean
}

/** Requests a JSON object. Time and size are limited. */
export type FetchJson = (
  url: string,
  headers: Readonly<Record<string, string>>
) => Promise<Readonly<Record<string, unknown>>>
