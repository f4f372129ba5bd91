/** Which refresh tokens of a grant are good? */

import { maxGenerations } from '../limits.ts'

/** The response of the token endpoint (RFC 6749 §5.1). */
export interface TokenResponse {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  refresh_token?: string | undefined
  refresh_token_expires_in?: number | undefined
  scope: string
}

/** The provider's refresh token, or its access token if it issues no refresh tokens. */
export interface Upstream {
  refresh?: string
  access?: string
}

/** The refresh tokens of a grant. Each refresh issues the next generation; the first one is 0. */
export interface Family {
  /** The grant. */
  id: string
  /** Of the newest token. */
  generation: number
  /** The newest of the provider, which may be ahead of our newest token after a failure. */
  upstream: Upstream
  /** When the last generations were issued, the newest one last; in seconds since 1970. */
  issuedAt: readonly number[]
  /**
   * The oldest copy that was refused with a 5xx and may come again: until the grace after the next
   * refresh ends.
   */
  refused?: { generation: number, until?: number }
  /** The response with the newest token, and the key and time its access token is good for. */
  answer?: { tokens: TokenResponse, key?: string | undefined, expiresAt: number }
}

/**
 * Says whether a refresh token is the newest one, a copy or theft. Copies are its predecessor,
 * while the newest one was not used, and all others for `grace` seconds after their successor was:
 * several processes of a client may share one file, and responses get lost.
 */
export function positionOf (
  generation: number,
  family: Family | null,
  { grace, now }: { grace: number, now: number }
): 'newest' | 'copy' | 'reused' {
  if (family === null || generation >= family.generation) return 'newest'
  const behind = family.generation - generation
  if (behind === 1) return 'copy'
  // A token is used when the next generation is issued: its successor, when the one after that is.
  // If that time is forgotten, it was before the first one that is known.
  const first = family.issuedAt.length < maxGenerations ? undefined : family.issuedAt[0]
  const usedAt = family.issuedAt.at(1 - behind) ?? first ?? -Infinity
  const { generation: oldest = Infinity, until = Infinity } = family.refused ?? {}
  const mayReturn = generation >= oldest && now <= until
  return mayReturn || now - usedAt <= grace ? 'copy' : 'reused'
}

/** The times of a family once its next generation is issued. */
export function nextTimes (family: Family | null, { grace, now }: { grace: number, now: number }) {
  const { issuedAt = [], refused } = family ?? {}
  return {
    issuedAt: [...issuedAt, Math.floor(now)].slice(-maxGenerations),
    ...(refused && now <= (refused.until ?? now) && { refused: { until: now + grace, ...refused } })
  }
}
