/** Value of `client_assertion_type` (RFC 7523 §2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Seconds an assertion may still have to live. */
const lifetime = 300

/** Seconds by which the clocks of a client and ours may differ. */
export const assertionSkew = 30

/** Longest `jti`, in characters. */
const maxId = 512

/** Header types an assertion may have: none in particular, or its own. */
const types: readonly unknown[] = [undefined, 'jwt', 'client-authentication+jwt']

/**
 * The client an assertion says it is from (RFC 7523 §3). Nothing of it is checked; `undefined` if
 * nothing could be read.
 */
export function subjectOf (assertion: string): string | undefined {
  try {
    const { sub } = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString())
    return typeof sub === 'string' ? sub : undefined
  } catch {
    return undefined
  }
}

/** Claims of an assertion whose signature, issuer, subject, audience and times were found good. */
export interface AssertionClaims {
  readonly aud?: unknown
  readonly exp?: number
  readonly iat?: number
  readonly jti?: unknown
}

/**
 * Says why a signed assertion is refused all the same (RFC 7523 §3), or `null` if it is good: for
 * several audiences, or not short-lived, it would be worth something to whoever got hold of it;
 * without an id it could not be told from a copy.
 */
export function assertionProblem (
  { typ }: { typ?: unknown },
  { aud, exp = Infinity, iat = 0, jti }: AssertionClaims,
  now: number
): string | null {
  if (
    !types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)
  ) { return 'its type is that of another token' }
  if (typeof aud !== 'string') return 'its audience is not one string'
  if (exp > now + lifetime + assertionSkew) return `it is good for more than ${lifetime} seconds`
  if (iat > now + assertionSkew) return 'it was issued in the future'
  return typeof jti === 'string' && jti !== '' && jti.length <= maxId
    ? null
    : 'it has no usable jti'
}
