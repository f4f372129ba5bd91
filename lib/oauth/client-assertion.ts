/** Is a signed client assertion (RFC 7523) acceptable? */

import { assertionSeconds, assertionSkewSeconds, maxAssertionIdChars } from '../limits.ts'
import { parseJsonObject } from '../util/json.ts'

/** Value of `client_assertion_type` (RFC 7523 §2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Accepted header types, in lower case. */
const types: readonly unknown[] = [undefined, 'jwt', 'client-authentication+jwt']

/** Returns the client that an assertion names (RFC 7523 §3), unverified, if it names one. */
export function subjectOf (assertion: string): string | undefined {
  const claims = Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()
  const sub = parseJsonObject(claims)?.['sub']
  return typeof sub === 'string' ? sub : undefined
}

/**
 * Checks the rest of a verified assertion (RFC 7523 §3). One with several audiences or a long life
 * is worth stealing; one without an id cannot be told from a copy.
 *
 * @param header of the assertion
 * @param claims of an assertion whose signature, issuer, subject, audience and times were verified
 * @param now seconds since 1970
 * @returns the problem, or null
 */
export function assertionProblem (
  { typ }: { typ?: unknown },
  { aud, exp = Infinity, iat = 0, jti }: {
    aud?: unknown
    exp?: number
    iat?: number
    jti?: unknown
  },
  now: number
): string | null {
  const type = typeof typ === 'string' ? typ.toLowerCase() : typ
  if (!types.includes(type)) return 'its typ is that of another kind of token'
  if (typeof aud !== 'string') return 'its audience is not one string'
  if (exp > now + assertionSeconds + assertionSkewSeconds) {
    return `it is valid for more than ${assertionSeconds} seconds`
  }
  if (iat > now + assertionSkewSeconds) return 'it was issued in the future'
  return typeof jti === 'string' && jti !== '' && jti.length <= maxAssertionIdChars
    ? null
    : 'its jti is missing or too long'
}
