/** Which identity assertion or workload token is a grant, and for what (RFC 7523 §2.1 and §3)? */

import { failure, invalidGrant, McpOAuthError, quoted } from '../errors.ts'
import {
  assertionSkewSeconds,
  identityAssertionSeconds,
  maxAssertionIdChars,
  maxSubjectChars,
  workloadTokenSeconds
} from '../limits.ts'
import { isPlainObject, parseJsonObject } from '../util/json.ts'
import { jwtBearer } from './grant-types.ts'
import { issued, scopesOf } from './token-request.ts'
import { resourceOf, type RequestParameters } from './parameters.ts'
import { invalidScope, missingScopes, parseScope } from './scope.ts'
import { sameResource } from './url.ts'

/** The kinds of assertions, by the type in their header and the grant that they are sent with. */
export type AssertionKind = 'id-jag' | 'workload' | 'token'

/** Reads the parameters of the grant `jwt-bearer` (RFC 7523 §2.1). */
export function parseJwtBearer (params: RequestParameters, ours: string) {
  const assertion = issued(params, 'assertion')
  return {
    grantType: jwtBearer as typeof jwtBearer,
    assertion,
    /** Unverified: which rules the assertion has to obey. */
    kind: kindOf(assertion),
    resource: resourceOf(params, ours),
    scopes: scopesOf(params)
  }
}

/** Which rules an unverified assertion has to obey. */
export function kindOf (assertion: string) {
  const header = Buffer.from(assertion.split('.', 1)[0] ?? '', 'base64url').toString()
  return typeOf(parseJsonObject(header) ?? {}) === 'oauth-id-jag+jwt' ? 'id-jag' : 'workload'
}

/** The media type in a header, without its optional prefix (RFC 7515 §4.1.9). */
function typeOf ({ typ }: { typ?: unknown }) {
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ
}

/** Claims of an assertion whose signature and issuer were verified. */
export interface AssertionClaims {
  iss: string
  sub: string
  exp: number
  iat: number
  jti?: string
  client_id?: unknown
  resource?: unknown
  scope?: unknown
  tenant?: unknown
  cnf?: unknown
  act?: unknown
  readonly [claim: string]: unknown
}

/** The server that an assertion has to be for. */
export interface AssertionRules {
  kind: AssertionKind
  /** Accepted audiences. */
  audiences: readonly string[]
  /** Seconds since 1970. */
  now: number
}

const types: Record<AssertionKind, readonly unknown[]> = {
  'id-jag': ['oauth-id-jag+jwt'],
  // That of SPIFFE may be the last one (JWT-SVID §2.3).
  workload: [undefined, 'jwt', 'jose'],
  token: ['jwt', 'at+jwt']
}

/**
 * Returns why an assertion is invalid, or null (RFC 7523 §3). Its times may differ from ours by
 * half a minute.
 *
 * @param claims of an issuer that the operator lists
 */
export function problemOfAssertion (
  header: { typ?: unknown },
  claims: Readonly<Record<string, unknown>>,
  { kind, audiences, now }: AssertionRules
): string | null {
  const { sub, tenant, exp, iat, nbf = 0, jti } = claims
  if (!types[kind].includes(typeOf(header))) return 'its typ is that of another kind of token'
  const given = [claims.aud].flat()
  const isForUs = given.length > 0 && given.every(audience => isOneOf(audience, audiences))
  if (!isForUs || (kind === 'id-jag' && given.length > 1)) {
    return `its audience is ${quoted(claims.aud)}, not ${audiences.join(' or ')} alone`
  }
  if (!isSubject(sub)) return 'its sub is missing or malformed'
  // Without its tenant, it would be for the user with the same sub of another one.
  if (tenant !== undefined && !isSubject(tenant)) return 'its tenant is malformed'
  if (!isSubject(qualifiedSubject(claims as AssertionClaims))) return 'its sub is too long'
  if (!isTime(exp) || !isTime(iat) || !isTime(nbf)) return 'exp or iat is missing, or no number'
  if (exp + assertionSkewSeconds <= now) return `it expired ${Math.round(now - exp)} s ago`
  if (Math.max(iat, nbf) > now + assertionSkewSeconds) {
    return 'it was issued in the future, or is not valid yet: synchronize the clocks'
  }
  const lifetime = kind === 'id-jag' ? identityAssertionSeconds : workloadTokenSeconds
  if (exp - iat > lifetime) return `it is valid for more than ${lifetime} s`
  // Workload platforms need not add ids: the token itself counts then.
  if (jti === undefined && kind === 'workload') return null
  return isName(jti, maxAssertionIdChars) ? null : 'its jti is missing or malformed'
}

/** A trailing slash names the same issuer. */
function isOneOf (audience: unknown, audiences: readonly string[]) {
  return typeof audience === 'string' &&
    audiences.some(ours => audience === ours || sameResource(audience, ours))
}

const isTime = (value: unknown): value is number => Number.isFinite(value)

/** Control characters would end lines of the log. */
function isName (value: unknown, longest: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest &&
    !/\p{Cc}|\p{Cs}/u.test(value)
}

/** Whether a value can be the subject of a token. */
export const isSubject = (value: unknown): value is string => isName(value, maxSubjectChars)

/**
 * The subject of our tokens for the subject of another issuer. Two issuers may have a user with the
 * same name, and so may two tenants of one.
 */
export function qualifiedSubject ({ iss, sub, tenant }: AssertionClaims) {
  const parts = typeof tenant === 'string' ? [tenant, sub] : [sub]
  return [iss, ...parts.map(part => part.replace(/[%|]/g, encodeURIComponent))].join('|')
}

/** Whether `resource` of an assertion is absent, or names our resource and no other. */
export function isForResource ({ resource }: { resource?: unknown }, ours: string) {
  const named: unknown[] = [resource].flat()
  return resource === undefined || (named.length > 0 &&
    named.every(uri => typeof uri === 'string' && sameResource(uri, ours)))
}

/**
 * Returns the scopes that an identity assertion grants: those that are requested, limited by the
 * assertion, the issuer, the client and this server.
 *
 * @throws {McpOAuthError} `invalidGrant` for a malformed scope, or without a scope of this server;
 *   `invalidScope` if nothing is left of the request
 */
export function scopesOfAssertion (
  { scope: asserted, authorization_details: details }: {
    scope?: unknown
    authorization_details?: unknown
  },
  requested: readonly string[] | undefined,
  { known, defaults, hierarchy, limits, unknownScopes }: {
    /** The scopes of this server. */
    known: readonly string[]
    /** The scopes of an assertion without any. */
    defaults: readonly string[]
    hierarchy: Readonly<Record<string, readonly string[]>>
    /** The scopes of the issuer and of the client, where the operator limits them. */
    limits: ReadonlyArray<readonly string[] | undefined>
    unknownScopes: 'ignore' | 'refuse'
  }
) {
  // Details (RFC 9396) grant nothing here, and an assertion with nothing else no default scopes.
  const isDetail = (detail: unknown) => isPlainObject(detail) && typeof detail.type === 'string'
  const hasDetails = Array.isArray(details) && details.every(isDetail)
  if (details !== undefined && (!hasDetails || asserted === undefined)) {
    throw failure('invalidGrant', 'authorization_details are malformed, or in place of a scope')
  }
  const given = asserted === undefined ? undefined : parsed(asserted)
  const ofServer = given?.filter(name => known.includes(name))
  const isForeign = given !== undefined && given.length > 0 && ofServer?.length === 0
  if (isForeign || (unknownScopes === 'refuse' && ofServer?.length !== given?.length)) {
    throw invalidGrant(`this server does not know the scopes of the assertion: ${quoted(asserted)}`)
  }
  if (unknownScopes === 'refuse' && requested?.some(name => !known.includes(name))) {
    throw invalidScope('this server does not know all scopes of the request', requested)
  }
  const [ofIssuer] = limits
  const wanted = requested ?? ofServer ?? defaults
  const allLimits = [ofServer ?? ofIssuer ?? defaults, ...limits]
  const granted = wanted.filter(name =>
    known.includes(name) &&
    allLimits.every(limit => !limit || missingScopes(limit, [name], hierarchy).length === 0)
  )
  if (granted.length === 0 && wanted.length > 0) {
    throw invalidScope('the assertion, its issuer or the client allows none of the scopes', wanted)
  }
  return granted
}

function parsed (scope: unknown) {
  try {
    if (typeof scope === 'string') return parseScope(scope)
  } catch (cause) {
    throw new McpOAuthError('invalidGrant', { cause })
  }
  throw failure('invalidGrant', 'the scope of the assertion is not a string')
}

/** Whether a token has the claims of a workload. */
export function hasClaims (
  claims: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, string | boolean | number>>
) {
  return Object.entries(expected).every(([name, pattern]) => {
    if (!Object.hasOwn(claims, name)) return false
    const value = claims[name]
    return typeof pattern === 'string'
      ? typeof value === 'string' && isMatch(pattern, value)
      : value === pattern
  })
}

/** Without a regular expression: several `*` could occupy the process for hours. */
function isMatch (pattern: string, value: string) {
  const [expected = [], given = []] = [pattern, value].map(text => text.split(/([/:])/))
  return expected.length === given.length &&
    expected.every((part, index) => isPartMatch(part, given[index] ?? ''))
}

function isPartMatch (pattern: string, part: string) {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return pattern === part
  let end = first.length
  for (const text of others) {
    const found = part.indexOf(text, end)
    if (found === -1) return false
    end = found + text.length
  }
  return part.startsWith(first) && part.endsWith(last) && end <= part.length - last.length
}

/**
 * Returns the claims of a token with the issuer that a SPIFFE id names, if the token names none:
 * that is its trust domain.
 */
export function withTrustDomain (claims: Readonly<Record<string, unknown>>) {
  const { iss, sub } = claims
  const domain = /^spiffe:\/\/[a-z0-9._-]+(?=\/)/.exec(String(sub))?.[0]
  return iss === undefined && domain !== undefined ? { ...claims, iss: domain } : claims
}
