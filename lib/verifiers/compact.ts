import { jsonObject } from '../http/json.ts'
import type { Claims } from './claims.ts'

/** A signed JWT taken apart (RFC 7519 §3). Nothing about it has been verified. */
export interface CompactToken {
  readonly parts: readonly string[]
  readonly header: Claims
  readonly claims: Claims
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Takes a token apart, or says with `null` that it is no signed JWT. */
export function parseCompact (token: string): CompactToken | null {
  const parts = token.split('.')
  const header = parts.length === 3 ? parsePart(parts[0]) : null
  const claims = header && parsePart(parts[1])
  return header === null || claims === null ? null : { parts, header, claims }
}

function parsePart (part = ''): Claims | null {
  try {
    return jsonObject(utf8.decode(Buffer.from(part, 'base64url')))
  } catch {
    return null
  }
}

/**
 * Whether base64url is spelled in the one way there is: one token must have one spelling, or caches
 * and lists of revoked tokens could be walked around.
 */
export function isCanonical (part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}
