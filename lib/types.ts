import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
import type { FastifyReply, FastifyRequest } from 'fastify'

export type { FetchJson, ProviderTraits } from './provider/traits/types.ts'

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
   * The subject of the token (`sub`): the user, or the `clientId` of a machine of the broker.
   * Absent if a token of a provider has no subject.
   */
  subject?: string
  /**
   * The party that acts for the subject, if that does not act itself (`act`, RFC 8693). Policies
   * consider this one alone: the actors inside it are the history of the token.
   */
  actor?: Actor
  /** The claims of a verified token. */
  claims?: Readonly<Record<string, unknown>>
  /**
   * The provider's access token, with the option `upstreamToken`: for calls to the provider's APIs
   * on behalf of the caller.
   */
  upstream?: UpstreamAccess
  /** Obtains an access token for an API, by its name in the option `exchange`, as the caller. */
  tokenFor?: (name: string) => Promise<string>
  [identity: string]: unknown
}

/** A party that acts for another, such as an agent for a user. */
export interface Actor {
  /** Its `sub`: the id of a client of the broker, or the subject of a token. Empty if unnamed. */
  readonly subject: string
  readonly clientId?: string
  /** Its issuer, if that is not the issuer of the token. */
  readonly issuer?: string
  /** Its tenant, if its issuer has several: each may have an actor with the same subject. */
  readonly tenant?: string
  /** The actor before it. At most five are read. */
  readonly actor?: Actor
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
 * `statusCode` is a server error (500). A dependency may also respond itself: it calls `reply.send`
 * before it returns or its promise resolves, or it returns `reply`, as asynchronous Fastify hooks
 * do. Then neither other dependencies nor the MCP route run.
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
  /** The log of the request, if there is one. Never log a token or a part of one. */
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
  /**
   * Adds one to a counter, in one atomic step. The counter begins at zero and lasts for `ttl` from
   * the last call. Resolves to the sum. Without this method, each instance limits rates alone.
   */
  increment?(key: string, ttl: number): Promise<number>
  /** Name of the database in spans of OpenTelemetry (`db.system.name`). Default: `custom`. */
  readonly system?: string
  /** Problems of its configuration, a sentence each. They are logged when the app starts. */
  warnings?(): Promise<readonly string[]>
  /** Required by the option `grantIndex`. */
  index?: StoreIndex
}

/** Sets of members that expire. Both are hashes; times are in milliseconds since 1970. */
export interface StoreIndex {
  /** Adds a member, and removes those that have expired. A set expires with its last one. */
  add(set: string, member: string, expiresAt: number): Promise<void>
  remove(set: string, member: string): Promise<void>
  /** Returns at most `count` members and times, of those before a time, the last ones first. */
  list(set: string, before: number, count: number): Promise<Array<readonly [string, number]>>
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
  /** Verified claims of the ID token, and those of the userinfo endpoint that it lacks. */
  readonly claims: UserClaims
  /**
   * The provider's access token, for requests to the provider's APIs. An identity assertion comes
   * without one: reading it throws then.
   */
  readonly tokens: UpstreamAccess
  /** Whether an identity assertion (`trustedIssuers`) stands for the login. */
  readonly isAsserted: boolean
  /** The `sub` of our tokens. After an assertion, `claims.sub` is that of its own issuer. */
  readonly subject: string
  readonly client: { readonly id: string }
  /** The scopes the user agreed to. */
  readonly scopes: readonly string[]
}

/**
 * Decides whether a user gets tokens. It may deny them (return `false` or `{ deny }`, or throw an
 * error with `statusCode` 403), narrow the `scopes`, and add `claims` to the access token. Any
 * other error, and no result within 5 seconds, end in 500 without tokens.
 */
export type AuthorizeUser = (user: UpstreamUser) => AuthorizeVerdict | Promise<AuthorizeVerdict>

/**
 * Result of `authorizeUser`; `undefined` grants tokens. The client receives the message in `deny`,
 * of at most 200 ASCII characters, and may show it to the user.
 */
export type AuthorizeVerdict = boolean | undefined | {
  deny?: string
  scopes?: readonly string[]
  claims?: Readonly<Record<string, unknown>>
}

/**
 * Returns the subject of the tokens for the user of an identity assertion, from its verified
 * claims; null to refuse. A rejected promise, and no result within 5 seconds, end in 500.
 */
export type MapSubject = (claims: UserClaims) => string | null | Promise<string | null>

/** An OAuth client of the broker or of a thin proxy. */
export interface Client {
  readonly id: string
  /** Its registered redirect URIs; null if the redirect policy alone decides. */
  readonly redirectUris: readonly string[] | null
  /** The name that the client gave itself, unverified. */
  readonly name: string | null
  /** Hashes of its secrets. A client with secrets must authenticate, and so must one that signs. */
  readonly secretHashes?: readonly string[]
  /** Its public keys. */
  readonly jwks?: { readonly keys: readonly object[] }
  /** URL of its public keys, if its metadata document names one. */
  readonly jwksUri?: string
  /** Whether it has keys, and sessions of its users can do without them. */
  readonly mayBePublic?: boolean
  /** Default: `authorization_code` and `refresh_token`. */
  readonly grantTypes?: readonly GrantType[]
  /** Whether it wants sender-constrained tokens only (RFC 9449 §5.2). */
  readonly dpopBound?: boolean
  /** All scopes that it may have, if the operator limits them. */
  readonly scopes?: readonly string[]
}

/** Grant type of a token request. */
export type GrantType = typeof grantTypes[number]

export const grantTypes = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
  'urn:ietf:params:oauth:grant-type:token-exchange'
] as const
