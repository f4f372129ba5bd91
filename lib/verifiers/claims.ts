/** Which claims does an access token have, may it have them, and which caller do they describe? */
import { boundKeyOf } from '../dpop/rules.ts'
import { failure, type McpOAuthError, quoted } from '../errors.ts'
import { maxActors, maxSubjectChars } from '../limits.ts'
import { scopesOf } from '../oauth/scope.ts'
import type { Actor, McpAuth, VerifyContext } from '../types.ts'
import { isPlainObject, jsonObject } from '../util/json.ts'

/** Claims of a token, parsed. */
export type Claims = Record<string, unknown>

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a signed JWT (RFC 7519 §3), before anything is verified. Null for any other token.
 *
 * @returns its contents, and whether it has its one valid spelling: the last character of each part
 *   has idle bits
 */
export function parseCompact (token: string) {
  const parts = token.split('.', 4)
  if (parts.length !== 3) return null
  const bytes = parts.map(part => Buffer.from(part, 'base64url'))
  const [header, claims] = bytes.slice(0, 2).map(parsePart)
  if (!header || !claims) return null
  const isCanonical = bytes.every((part, at) => part.toString('base64url') === parts[at])
  return { header, claims, parts, signature: bytes[2] as Buffer, isCanonical }
}

/** A parsed JWT. */
export type CompactJwt = NonNullable<ReturnType<typeof parseCompact>>

function parsePart (part: Buffer) {
  try {
    return jsonObject(utf8.decode(part))
  } catch {
    return null
  }
}

/** Claims of tokens for other uses, by Amazon Cognito and Ory Hydra, and by Keycloak. */
const otherUses: Record<string, readonly unknown[]> = {
  token_use: ['id', 'refresh', 'refresh_token'],
  typ: ['ID', 'Refresh', 'Offline', 'Logout']
}

/** Claims of ID tokens, logout tokens, authorization responses and request objects. */
const claimsOfOtherUses =
  'at_hash c_hash s_hash events code response_type redirect_uri code_challenge'.split(' ')

/** Claims of access tokens. The audience of an ID token is its client, so it needs none. */
const marks = 'scope scp scopes permissions client_id cid appid azpacr'.split(' ')

/**
 * Whether a token may be an ID token: it was issued for another audience than this resource, such
 * as a client id, and nothing in it says that it is an access token.
 *
 * @param typ of its header
 */
export function mayBeIdToken (typ: unknown, claims: Claims, resource: string) {
  const audiences = [claims.aud].flat()
  if (/at\+jwt$/i.test(String(typ)) || audiences.includes(resource)) return false
  const { azp = audiences[0], token_use: use } = claims
  return use !== 'access' && audiences.includes(azp) && !marks.some(name => name in claims)
}

/**
 * Returns why verified claims are not those of an acceptable access token, or null. Rejects ID
 * tokens and logout tokens (RFC 8725 §3.11; only access tokens of Keycloak may have a nonce),
 * sender-constrained tokens whose binding is not verified (RFC 9449 §7.2, RFC 8705 §3), invalid
 * times and long lifetimes. The verifiers check signature, issuer, audience and expiry. Times are
 * in seconds.
 */
export function problemOfClaims (
  claims: Claims,
  { now, dpop = false }: Pick<VerifyContext, 'now' | 'dpop'>,
  { clockTolerance, maxTokenLifetime, requireSubject }: {
    clockTolerance: number
    maxTokenLifetime: number
    requireSubject: boolean
  }
): string | null {
  const { exp, iat = now, sub } = claims as { exp: number, iat?: number, sub: unknown }
  const key = boundKeyOf(claims)
  if (isForOtherUse(claims)) return 'it is not an access token'
  if (key === null || (key !== undefined && !dpop)) return 'its binding to a key is not supported'
  if (![exp, iat].every(Number.isFinite)) return 'exp or iat is not a number'
  if (iat > now + clockTolerance) {
    const seconds = Math.round(iat - now)
    return `it was issued ${seconds} s in the future: the clocks differ. Synchronize them`
  }
  if (exp - iat > maxTokenLifetime) {
    return `it is valid for more than ${maxTokenLifetime} s. Shorten that at the provider, or use ` +
      'tokens: jwtVerifier({ maxTokenLifetime })'
  }
  if (sub === undefined ? requireSubject : !isSubject(sub)) return 'it has no valid sub'
  return null
}

/** Whether claims are those of an ID token, a refresh token or a message. */
export function isForOtherUse (claims: Claims) {
  return claimsOfOtherUses.some(name => name in claims) ||
    ('nonce' in claims && claims['typ'] !== 'Bearer') ||
    Object.entries(otherUses).some(([name, uses]) => uses.includes(claims[name]))
}

function isSubject (value: unknown) {
  return typeof value === 'string' && value !== '' && value.length <= maxSubjectChars
}

/** Returns the problem of a token with an `nbf` in the future, in seconds. */
export function notYetValid (nbf: number, now: number) {
  return `it is not valid for another ${
    Math.round(nbf - now)
  } s (nbf): the clocks differ. Synchronize them`
}

/** Returns the error of a token that has a problem. */
export function rejection (problem: string) {
  return failure('invalidToken', `The access token was rejected: ${problem}`)
}

const endings = new WeakSet<object>()

/** Marks the error for a token that was valid before. Its client gets another one. */
export function ending (error: McpOAuthError) {
  endings.add(error)
  return error
}

/** Whether an error is an {@link ending}. */
export const isEnding = (error: object) => endings.has(error)

/** Returns the error of a token with another audience than the expected ones. */
export function wrongAudience (expected: readonly string[], audience: unknown) {
  return rejection(
    `its audience is ${quoted(audience)}, not ${expected.join(' or ')}. ` +
      'Let the provider issue tokens for that, or set audience'
  )
}

/** Returns the caller that claims describe. It is frozen, because requests share it. */
export function callerOf (token: string, claims: Claims, { resource }: VerifyContext): McpAuth {
  const { exp, sub, client_id: clientId, azp, cid, appid } = claims
  const actor = actorOf(claims.act)
  return Object.freeze({
    token,
    clientId: [clientId, azp, cid, appid].find(id => typeof id === 'string') ?? '',
    scopes: scopesOf(claims) as string[],
    ...(typeof exp === 'number' && { expiresAt: exp }),
    resource: new URL(resource),
    ...(typeof sub === 'string' && { subject: sub }),
    ...(actor && { actor }),
    claims,
    extra: Object.freeze({})
  })
}

/** Returns the actor of a claim `act` (RFC 8693 §4.1), and at most four before it. */
function actorOf (act: unknown, levels = maxActors): Actor | undefined {
  if (levels === 0 || !isPlainObject(act)) return undefined
  const { sub, client_id: clientId, iss, tenant, act: prior } = act
  const actor = actorOf(prior, levels - 1)
  return Object.freeze({
    subject: typeof sub === 'string' ? sub : '',
    ...(typeof clientId === 'string' && { clientId }),
    ...(typeof iss === 'string' && { issuer: iss }),
    ...(typeof tenant === 'string' && { tenant }),
    ...(actor && { actor })
  })
}
