/** Does a client secret match one of the configured hashes? */

import { createHash, timingSafeEqual } from 'node:crypto'

const prefix = 'sha256:'

/**
 * Compares a secret with hashes (`sha256:` and 43 characters of base64url). One round of SHA-256 is
 * enough: the secrets are random and as long as a key, so a slow hash would protect nothing.
 */
export function isSecretOf (hashes: readonly string[], secret: string): boolean {
  const presented = createHash('sha256').update(secret).digest()
  // Compares all of them: the time it takes must not tell which one matches.
  return hashes.map((hash) =>
    timingSafeEqual(Buffer.from(hash.slice(prefix.length), 'base64url'), presented)
  ).includes(true)
}
