/** Which key belongs to a secret and a purpose? */

import { hkdfSync } from 'node:crypto'

/** Separates our keys from those that another program derives from the same secret. */
const salt = 'fastify-mcp-oauth'

/**
 * Derives the key of one purpose from a secret: HKDF-SHA-256 (RFC 5869). Different purposes have
 * independent keys of 32 bytes; the same secret and purpose give the same key on every instance.
 */
export function deriveKey (secret: string, purpose: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync('sha256', secret, salt, purpose, 32))
}
