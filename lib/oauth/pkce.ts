/** Are the values of PKCE (RFC 7636) well-formed, and which challenge belongs to a verifier? */

import { hash } from '../util/hash.ts'

/** Whether a text has the form of an S256 code challenge: a SHA-256 in base64url (§4.2). */
export function isChallenge (value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value)
}

/** Whether a text has the form of a code verifier (§4.1). */
export function isVerifier (value: string): boolean {
  return /^[A-Za-z0-9._~-]{43,128}$/.test(value)
}

/** Returns the S256 challenge of a verifier (§4.2). */
export function challengeOf (verifier: string): string {
  return hash(verifier)
}
