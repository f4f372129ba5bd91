/** Which parts does a JWT have, before anything about it is verified? */
import { jsonObject } from '../http/json.ts'
import type { Claims } from './claims.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Parses a signed JWT (RFC 7519 §3). Returns null for any other token. */
export function parseCompact (token: string) {
  const parts = token.split('.')
  if (parts.length !== 3) return null
  const [header, claims] = parts.slice(0, 2).map(parsePart)
  return header && claims ? { parts, header, claims } : null
}

function parsePart (part: string): Claims | null {
  try {
    return jsonObject(utf8.decode(Buffer.from(part, 'base64url')))
  } catch {
    return null
  }
}

/**
 * Whether a part has its one valid base64url spelling. With a second spelling, a revoked token
 * would pass a list of revoked tokens.
 */
export function isCanonical (part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}
