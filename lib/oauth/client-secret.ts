import { createHash, timingSafeEqual } from 'node:crypto'

const prefix = 'sha256:'

/**
 * Whether a secret is one of those behind the hashes (`sha256:` and 43 characters of base64url).
 * One round of SHA-256 is enough, as the secrets are random and as long as a key: there is nothing
 * to guess that a slow hash could protect.
 */
export function isSecretOf (hashes: readonly string[], secret: string): boolean {
  const presented = createHash('sha256').update(secret).digest()
  // All of them, always: how long it takes says nothing.
  return hashes.map((hash) =>
    timingSafeEqual(Buffer.from(hash.slice(prefix.length), 'base64url'), presented)
  ).includes(true)
}
