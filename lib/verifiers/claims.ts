import type { McpAuth, VerifyContext } from '../types.ts'
import { boundKeyOf } from '../dpop/rules.ts'
import { scopesOf } from '../oauth/scope.ts'

/**
 * What is asked of claims beyond a good signature, issuer, audience and lifetime. Times are
 * seconds.
 */
export interface ClaimRules {
  clockTolerance: number
  maxTokenLifetime: number
  requireSubject: boolean
}

/** Claims of a token, parsed. */
export type Claims = Readonly<Record<string, unknown>>

const maxSubject = 2048

/**
 * What providers write into their other tokens: Amazon Cognito and Ory Hydra `token_use`, Keycloak
 * `typ`.
 */
const otherUses: Readonly<Record<string, readonly unknown[]>> = {
  token_use: ['id', 'refresh', 'refresh_token'],
  typ: ['ID', 'Refresh', 'Offline', 'Logout']
}

/**
 * Says why verified claims are not those of an access token, or `null` if they are: ID tokens and
 * logout tokens (RFC 8725 §3.11), tokens bound to a key (RFC 9449 §7.2, RFC 8705 §3), odd times,
 * lifetimes beyond the limit.
 *
 * @param dpop whether proofs are checked, so that tokens may be bound to a key by its thumbprint
 */
export function problemOfClaims (
  claims: Claims,
  now: number,
  rules: ClaimRules,
  dpop = false
): string | null {
  const { exp, iat, sub } = claims
  const key = boundKeyOf(claims)
  if ('at_hash' in claims || 'c_hash' in claims || 'events' in claims) return 'not an access token'
  if (
    Object.entries(otherUses).some(([name, uses]) => uses.includes(claims[name]))
  ) { return 'not an access token' }
  if (key === null || (key !== undefined && !dpop)) return 'bound to a key'
  if (!isTime(exp) || (iat !== undefined && !isTime(iat))) return 'a time is not a number'
  if (iat !== undefined && iat > now + rules.clockTolerance) return 'issued in the future'
  if (exp - (iat ?? now) > rules.maxTokenLifetime) return 'lives too long'
  if (sub === undefined ? rules.requireSubject : !isSubject(sub)) return 'no subject'
  return null
}

function isTime (value: unknown): value is number {
  return Number.isFinite(value)
}

function isSubject (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxSubject
}

/**
 * The caller a token with these claims speaks for. Frozen, as it may be shared between requests.
 */
export function callerOf (token: string, claims: Claims, { resource }: VerifyContext): McpAuth {
  const scopes = [...scopesOf(claims)]
  Object.freeze(scopes)
  return Object.freeze({
    token,
    clientId: firstString(claims['client_id'], claims['azp'], claims['cid'], claims['appid']),
    scopes,
    ...(typeof claims['exp'] === 'number' && { expiresAt: claims['exp'] }),
    resource: new URL(resource),
    ...(typeof claims['sub'] === 'string' && { subject: claims['sub'] }),
    claims,
    extra: Object.freeze({})
  })
}

function firstString (...values: unknown[]): string {
  return values.find((value): value is string => typeof value === 'string') ?? ''
}
