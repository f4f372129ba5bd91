import { hash } from '../util/hash.ts'

const challenge = /^[A-Za-z0-9_-]{43}$/
const verifier = /^[A-Za-z0-9._~-]{43,128}$/

/**
 * Whether a string has the form of an S256 code challenge (RFC 7636 §4.2): a SHA-256 hash,
 * base64url, no padding.
 */
export function isChallenge (value: string): boolean {
  return challenge.test(value)
}

/** Whether a string has the form of a code verifier (RFC 7636 §4.1). */
export function isVerifier (value: string): boolean {
  return verifier.test(value)
}

/** The S256 challenge of a verifier (RFC 7636 §4.2). */
export function challengeOf (value: string): string {
  return hash(value)
}
