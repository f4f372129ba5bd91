/** What do all grants have in common, and what do their tokens contain? */

import { randomBytes } from 'node:crypto'
import { failure } from '../errors.ts'
import type { EventClient } from '../events/table.ts'
import { maxTokenChars } from '../limits.ts'
import type { Report } from '../host/events.ts'
import type { GrantParser } from '../oauth/token-request.ts'
import type { Config } from '../options/config.ts'
import type { LoginSecrets } from '../provider/login.ts'
import type { ProviderTokens } from '../provider/tokens.ts'
import type { GrantType, Log } from '../types.ts'
import { hash } from '../util/hash.ts'
import type { Broker } from './broker.ts'
import type { Family, TokenResponse, Upstream } from './families.ts'
import type { Progress } from './single-flight.ts'

/** A token request whose client is authenticated. */
export interface TokenContext {
  broker: Broker
  clientId: string
  /** Whether the client proved who it is, with a secret or a key. */
  isAuthenticated: boolean
  /** The client, as events name it. */
  client: EventClient
  /** `request.ip`, unless the option `redact` leaves it out. */
  address?: string | undefined
  /** Thumbprint of the key whose possession was proven: tokens are bound to it. */
  key: string | undefined
  /** Seconds since 1970. */
  now: number
  /** Its lines have the id of the request. */
  log: Log
  /** Tells of its events. */
  report: Report
  /** Whether nobody waits for the response any more. */
  isGone(): boolean
  /** Marks the assertion and the proof of the request as used. */
  markNow(): Promise<void>
}

/** A token request whose work is shared. */
export interface SharedContext extends TokenContext {
  progress: Progress
}

/** A way to obtain tokens (RFC 6749 §1.3). */
export interface Grant<Parse extends GrantParser = GrantParser> {
  type: GrantType
  /** Default: always. */
  isOffered?(config: Config): boolean
  parse: Parse
  /** Whether a request needs no client. Default: it does. */
  isAnonymous?(request: ReturnType<Parse>): boolean
  /** Whether the grant itself checks which clients may use it. Default: their grant types do. */
  checksClient?: boolean
  handle(context: TokenContext, request: ReturnType<Parse>): Promise<TokenResponse>
}

/** The request a user agreed to. It travels from the consent page to the token endpoint. */
export interface ApprovedRequest {
  /** Hash of the client id: the id itself may be long. */
  client: string
  redirectUri: string
  scopes: readonly string[]
  codeChallenge: string
  resource: string
  /** Thumbprint of the only key the code can be redeemed with (RFC 9449 §10). */
  key?: string | undefined
  /** The client wants sender-constrained tokens only (RFC 9449 §5.2). */
  bound?: boolean | undefined
  /** The client signs by its metadata document: it authenticates with every request. */
  signs?: true | undefined
  /** The client did not register for refresh tokens. */
  once?: true | undefined
  /** When the user agreed, in seconds since 1970. */
  since?: number | undefined
}

/** Content of an authorization code. The provider's code is redeemed when ours is. */
export interface CodeContent extends ApprovedRequest {
  id: string
  grant: string
  upstreamCode: string
  secrets: LoginSecrets
}

/** The content that all tokens of a grant share. Part of the sealed refresh token. */
interface GrantContent {
  /** Id of the grant: its tokens are revoked together. */
  grant: string
  /** The user. A client without a user is its own subject (RFC 9068 §2.2). */
  subject: string
  resource: string
  scopes: readonly string[]
  /** Scopes that the user agreed to, and `authorizeUser` did not grant. */
  withheld?: readonly string[]
  /** Further claims, from `authorizeUser`. They never contain those that this package sets. */
  claims?: Record<string, unknown>
  /** Thumbprint of the key that the tokens are bound to (RFC 9449 §5). */
  key?: string | undefined
  /** As in {@link ApprovedRequest}. */
  signs?: true | undefined
  /** When the login began, in seconds since 1970. Tokens of version 0.1.0 do not say it. */
  since?: number | undefined
  /** The session of the user at the provider, if that says so. */
  session?: string | undefined
}

/** Content of a refresh token. */
export interface RefreshContent extends GrantContent {
  id: string
  /** Hash of the client id. */
  client: string
  upstream: Upstream
  /** How many refreshes preceded it. Defaults to 0. */
  generation?: number
}

/** Returns 128 random bits, in base64url. */
export const randomId = () => randomBytes(16).toString('base64url')

/** Opens a code or refresh token. Null if it is expired, malformed, or of another client. */
export async function openOwn<T extends { client: string }> (
  { broker, clientId, now }: Pick<TokenContext, 'broker' | 'clientId' | 'now'>,
  purpose: 'code' | 'refresh',
  value: string
): Promise<T | null> {
  const content = await broker.sealer.open(purpose, value, now) as T | null
  return content?.client === hash(clientId) ? content : null
}

/**
 * Signs an access token (RFC 9068 §2.2) and returns the response that contains it.
 *
 * @param lifetime in seconds
 * @param upstream the provider's access token, sealed. Defaults to none
 */
export async function issueAccessToken (
  { broker, clientId, isAuthenticated, now }: TokenContext,
  { grant, subject, resource, scopes, withheld = [], claims, key, since, session }: GrantContent,
  lifetime: number,
  upstream?: string
): Promise<TokenResponse> {
  const iat = Math.floor(now)
  const scope = scopes.join(' ')
  const accessToken = await (await broker.signing()).sign({
    ...claims,
    iss: broker.issuer(),
    sub: subject,
    aud: resource,
    client_id: clientId,
    ...(scope !== '' && { scope }),
    ...(withheld.length > 0 && { withheld: withheld.join(' ') }),
    iat,
    exp: iat + lifetime,
    jti: randomId(),
    gid: grant,
    // Revoked by it: `iat` has no fractions, and that of a late response may follow a revocation.
    ...(since !== undefined && { gat: since }),
    ...(session !== undefined && { ups: session }),
    ...(isAuthenticated && broker.clients.listed(clientId) === undefined && { sgn: true }),
    ...(key !== undefined && { cnf: { jkt: key } }),
    ...(upstream !== undefined && { upt: upstream })
  })
  if (accessToken.length > maxTokenChars) {
    throw failure(
      'internal',
      'The claims of authorizeUser, or the token of the provider, are too long for an access token'
    )
  }
  return {
    access_token: accessToken,
    token_type: key === undefined ? 'Bearer' : 'DPoP',
    expires_in: lifetime,
    // Also if it is empty: without it, the client has what it requested (RFC 6749 §5.1).
    scope
  }
}

/**
 * Issues tokens of a user. Only the access token is narrowed to `scopes`. There is no refresh token
 * if the provider offers no way to check the user again.
 */
export async function issueTokens (
  context: TokenContext,
  grant: Omit<RefreshContent, 'id' | 'upstream'>,
  scopes: readonly string[],
  { accessToken, refreshToken, expiresIn, scope }: ProviderTokens
): Promise<TokenResponse> {
  const { broker: { config, sealer, provider }, now } = context
  const { access, refreshIdle, refreshAbsolute } = config.lifetimes
  const lifetime = Math.max(1, Math.floor(Math.min(access, expiresIn ?? Infinity)))
  const sealed = config.upstreamToken || config.exchange
    ? await sealer.seal('access', { accessToken, scope }, lifetime, now)
    : undefined
  const response = await issueAccessToken(context, { ...grant, scopes }, lifetime, sealed)
  if (refreshToken === null && !provider.recheck) {
    context.broker.warnOfNoRefreshToken()
    return response
  }
  const { since = now } = grant
  const content: RefreshContent = {
    ...grant,
    since,
    id: randomId(),
    upstream: upstreamOf({ accessToken, refreshToken })
  }
  const refreshLifetime = Math.floor(Math.min(refreshIdle, since + refreshAbsolute - now))
  const refresh = await sealer.seal('refresh', content, refreshLifetime, now)
  return { ...response, refresh_token: refresh, refresh_token_expires_in: refreshLifetime }
}

/**
 * Keeps what the next refresh of a grant needs, and lists the grant.
 *
 * @param redirectUri that of a login
 */
export async function keepGrant (
  { broker: { config, grants, kept }, clientId, client, address, now }: TokenContext,
  family: Family,
  { grant, subject, scopes, session, since: seconds = now }: GrantContent,
  response: TokenResponse,
  redirectUri?: string
) {
  const lifetime = response.refresh_token_expires_in ?? config.lifetimes.access
  const since = Math.round(1000 * seconds)
  const owner = { subject, session, client: { ...client, id: clientId } }
  const entry = { grant, ...owner, scopes, since, address }
  await Promise.all([
    kept.keep('family', family, lifetime, now),
    grants?.record(entry, lifetime, redirectUri)
  ])
}

/** The response of version 0.1.0 to a refresh token that was used less than 30 seconds ago. */
export async function oldResponse (
  { broker: { marks, sealer }, key, now }: TokenContext,
  id: string
) {
  const old = await sealer.open('answer', await marks.recall('refreshed', id) ?? '', now)
  return old?.['id'] === id && old['key'] === key ? old['tokens'] as TokenResponse : null
}

/** The token of the provider that a refresh token of ours contains. */
export function upstreamOf (
  { accessToken, refreshToken }: Pick<ProviderTokens, 'accessToken' | 'refreshToken'>
): Upstream {
  return refreshToken === null ? { access: accessToken } : { refresh: refreshToken }
}
