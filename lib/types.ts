import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * The caller, as found on `request.mcpAuth` and, in tools, as `extra.authInfo`.
 *
 * A superset of the SDK's `AuthInfo`: `token`, `clientId`, `scopes`, `expiresAt` (seconds since
 * 1970), `resource`, `extra`. The result of each of the `dependencies` is merged into it. Declare
 * your own members once:
 *
 * ```ts
 * declare module 'fastify-mcp-oauth' { interface McpAuth { userId: string } }
 * ```
 */
export interface McpAuth extends AuthInfo {
  /**
   * The subject of the token (`sub`). A machine of the broker speaks for itself: it is `clientId`
   * then. Absent for tokens of a provider that name no one.
   */
  subject?: string
  /** The claims of a verified token. */
  claims?: Readonly<Record<string, unknown>>
  /**
   * The provider's access token, with the option `upstreamToken`: for calls to the provider's APIs
   * on behalf of the caller.
   */
  upstream?: UpstreamAccess
  [identity: string]: unknown
}

/** Access to the provider's APIs. */
export interface UpstreamAccess {
  readonly accessToken: string
  readonly scope: string | null
}

/**
 * A check of the host application, run as a `preHandler` hook before the MCP route.
 *
 * It may return an object, which is merged into `request.mcpAuth`, or throw. An error with the
 * `statusCode` 401 or 403 is sent with a `WWW-Authenticate` challenge; an error without a
 * `statusCode` is a server error (500). A dependency that responds itself must `return reply`, as
 * in every asynchronous Fastify hook. Then nothing else runs.
 */
export type Dependency = (request: FastifyRequest, reply: FastifyReply) => unknown

/** The circumstances in which a token is verified. */
export interface VerifyContext {
  /** The URL of the MCP route: the audience a token must have been issued for (RFC 8707 §2). */
  resource: string
  /** Seconds since 1970. */
  now: number
  /**
   * Whether DPoP proofs are verified (option `dpop`). A sender-constrained token is valid then, if
   * its binding is in `claims.cnf`.
   */
  dpop?: boolean
  /**
   * The log of the request, if there is one. Never log a token or a part of one.
   */
  log?: Log
}

/**
 * Verifies an access token.
 *
 * Resolves to the caller, or to `null` for a token of another kind, which is passed to the next
 * verifier. Throws `McpOAuthError` `invalidToken` for an invalid token of its own kind, which is
 * then rejected. Any other error means that the verification failed: the response is 503.
 */
export interface TokenVerifier {
  (token: string, context: VerifyContext): Promise<McpAuth | null>
  /**
   * Issuer of the tokens it verifies. It is published in `authorization_servers` (RFC 9728 §2) and
   * logged.
   */
  readonly issuer?: string
}

/**
 * Stores one-time values and revocations. Keys are hashes, values are constants or sealed; `ttl` is
 * in seconds. A promise that is rejected, or pending for a second, means that the store is
 * unavailable: the response is 503.
 */
export interface Store {
  /**
   * Writes if the key is free, in one atomic step. Resolves to the value that was there, or `null`
   * if this call wrote.
   */
  putIfAbsent(key: string, value: string, ttl: number): Promise<string | null>
  get(key: string): Promise<string | null>
  put(key: string, value: string, ttl: number): Promise<void>
  /** Problems of its configuration, a sentence each. They are logged when the app starts. */
  warnings?(): Promise<readonly string[]>
}

/** A logger, such as the `log` of a Fastify instance. */
export interface Log {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/**
 * Claims about a user (OpenID Connect Core §5.1). Others are `unknown`; providers may leave out any
 * but `sub`.
 */
export interface UserClaims {
  readonly sub: string | number
  readonly name?: string
  readonly preferred_username?: string
  readonly email?: string
  readonly email_verified?: boolean
  readonly picture?: string
  readonly [claim: string]: unknown
}

/** A user who has just logged in at the provider, and the request of the client. */
export interface UpstreamUser {
  /** Verified claims: of the ID token, or of the userinfo endpoint where there is none. */
  readonly claims: UserClaims
  /** The provider's tokens, for a look at its APIs. */
  readonly tokens: { readonly accessToken: string, readonly scope: string | null }
  readonly client: { readonly id: string }
  /** The scopes the user agreed to. */
  readonly scopes: readonly string[]
}

/**
 * Decides whether a user gets tokens. It may deny them (return `false`, or throw an error with
 * `statusCode` 403), narrow the `scopes`, and add `claims` to the access token. Any other error,
 * and no result within 5 seconds, end in 500 without tokens.
 */
export type AuthorizeUser = (user: UpstreamUser) => AuthorizeVerdict | Promise<AuthorizeVerdict>

/** Result of `authorizeUser`; `undefined` grants tokens. */
export type AuthorizeVerdict = boolean | undefined | {
  scopes?: readonly string[]
  claims?: Readonly<Record<string, unknown>>
}

/** Where a provider deviates from OAuth 2.1 and OpenID Connect. Presets fill it in. */
export interface ProviderTraits {
  /** Metadata of a provider that publishes none. */
  metadata?: {
    authorization_endpoint: string
    token_endpoint: string
    userinfo_endpoint?: string
    revocation_endpoint?: string
    code_challenge_methods_supported?: string[]
    token_endpoint_auth_methods_supported?: string[]
  }
  /** Parameters added to the authorization URL, such as `access_type=offline`. */
  authorizationParameters?: Readonly<Record<string, string>>
  /** Parameters added to token requests. */
  tokenParameters?: Readonly<Record<string, string>>
  /**
   * Claims about a user where there is no ID token: gets the access token and a bounded fetch, and
   * returns claims with `sub`.
   */
  identify?: (
    accessToken: string,
    fetchJson: FetchJson
  ) => Promise<Readonly<Record<string, unknown>>>
  /**
   * Whether a user whose provider issues no refresh tokens can be looked at again with `identify`
   * at each refresh.
   */
  recheck?: boolean
  /**
   * How our secret goes to the token endpoint. Default: in the header, unless the metadata list
   * only the body.
   */
  tokenEndpointAuthMethod?: 'client_secret_basic' | 'client_secret_post'
  /** Scopes to ask of the provider so that it issues refresh tokens, such as `offline_access`. */
  refreshScopes?: readonly string[]
}

/** Asks for a JSON object, bounded in time and bytes. */
export type FetchJson = (
  url: string,
  headers: Readonly<Record<string, string>>
) => Promise<Readonly<Record<string, unknown>>>

/** A client as the authorization and token endpoints need it. */
export interface Client {
  readonly id: string
  /** Null for a client that may be sent wherever the redirect policy allows. */
  readonly redirectUris: readonly string[] | null
  /** As the client calls itself; nobody has verified it. */
  readonly name: string | null
  /**
   * With secrets or keys a client has to prove who it is. Only those the operator lists have them.
   */
  readonly secretHashes?: readonly string[]
  readonly jwks?: { readonly keys: readonly object[] }
  /** Default: the two that the login of a user takes. */
  readonly grantTypes?: readonly GrantType[]
  /** The most it may have, where the operator said. */
  readonly scopes?: readonly string[]
}

/** Grant type of a token request. */
export type GrantType = typeof grantTypes[number]

export const grantTypes = ['authorization_code', 'refresh_token', 'client_credentials'] as const

/** Content of a consent page. All members but `fields` are text: escape them in HTML. */
export interface ConsentDetails {
  /** Where the form goes, by POST. */
  readonly action: string
  /**
   * HTML of the hidden fields the form must have. The buttons are named `action`, with the values
   * `approve` and `deny`.
   */
  readonly fields: string
  /**
   * For `<style nonce="…">`, the only styles a page of yours can have; scripts it cannot have. Good
   * for this one answer.
   */
  readonly nonce: string
  readonly server: string
  readonly client: { readonly id: string, readonly name: string | null }
  readonly redirectUri: string
  readonly scopes: ReadonlyArray<{ readonly name: string, readonly meaning: string | null }>
  readonly resource: string
  /** Host of the provider the user will be sent to. */
  readonly provider: string
}

/** How the consent page looks. */
export interface ConsentConfig {
  readonly name?: string | undefined
  readonly logoText?: string | undefined
  readonly scopes?: Readonly<Record<string, string>> | undefined
  readonly render?: ((details: ConsentDetails) => string | Promise<string>) | undefined
}
