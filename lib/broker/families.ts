/** Which refresh tokens of a grant are valid? */

import { maxUses } from '../limits.ts'

/** The response of the token endpoint (RFC 6749 §5.1). */
export interface TokenResponse {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  refresh_token?: string | undefined
  refresh_token_expires_in?: number | undefined
  scope: string
  /** The granted resource of an identity assertion (Identity Assertion Grant, §4.4.1). */
  resource?: string
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
  /**
   * When tokens were first used, in seconds since 1970. A token that was first used after a later
   * one is not listed.
   */
  uses: ReadonlyArray<readonly [generation: number, at: number]>
  /**
   * The oldest copy that was refused with a 5xx and may come again: until the grace after the next
   * refresh ends.
   */
  failedCopy?: { generation: number, until?: number }
  /** The response with the newest token, and the key and the end of its access token. */
  answer?: { tokens: TokenResponse, key?: string | undefined, expiresAt: number }
}

/** In seconds; `now` since 1970. */
type Times = Record<'grace' | 'now', number>

/**
 * Says whether a refresh token is the newest one, a copy or theft. Copies are all others until a
 * later one is used, and for `grace` seconds after that: processes of a client may share a file or
 * keep their responses for themselves, and responses get lost.
 */
export function positionOf (
  generation: number,
  family: Family | null,
  { grace, now }: Times
): 'newest' | 'copy' | 'reused' {
  if (family === null || generation >= family.generation) return 'newest'
  // If the first use of a later token is forgotten, it was before the first one that is known.
  const [, usedAt = Infinity] = family.uses.find(([used]) => used > generation) ?? []
  const { generation: oldest = Infinity, until = Infinity } = family.failedCopy ?? {}
  const mayReturn = generation >= oldest && now <= until
  return mayReturn || now - usedAt <= grace ? 'copy' : 'reused'
}

/** Whether this token, or a later one of its family, was used before. */
export function isUsed (generation: number, { uses }: Family) {
  return generation <= (uses.at(-1)?.[0] ?? -1)
}

/** Returns the uses of a family with that of one more token. */
export function recordUse (generation: number, family: Family | null, now: number) {
  const { uses = [] } = family ?? {}
  if (family !== null && isUsed(generation, family)) return uses
  return [...uses, [generation, Math.floor(now)] as const].slice(-maxUses)
}

/** Returns the times of a family once a token is used and the next generation is issued. */
export function afterRefresh (
  generation: number,
  family: Family | null,
  { grace, now }: Times
) {
  const { failedCopy: copy } = family ?? {}
  return {
    uses: recordUse(generation, family, now),
    ...(copy && now <= (copy.until ?? now) && { failedCopy: { until: now + grace, ...copy } })
  }
}
