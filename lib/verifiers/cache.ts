import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { McpAuth, TokenVerifier } from '../types.ts'

/** How verified tokens are remembered. */
export interface TokenCacheOptions {
  /** Tokens remembered at most; the least recently used go first. Defaults to 10,000. */
  max?: number
  /**
   * Seconds after which a token is verified again, expired or not. Defaults to 60; 0 remembers
   * nothing.
   */
  maxAge?: number
}

/**
 * Remembers the tokens a verifier found good, by the SHA-256 of token and resource and never past
 * their expiry: checking a signature costs more than all the rest of a guard. Bad tokens are not
 * remembered. Requests that bring one token at the same time share its verification.
 */
export function cachedVerifier (
  verify: TokenVerifier,
  { max = 10_000, maxAge = 60 }: TokenCacheOptions = {}
): TokenVerifier {
  const good = new LRUCache<string, { auth: McpAuth, since: number, until: number }>({ max })
  const running = new Map<string, Promise<McpAuth | null>>()

  return async (token, context) => {
    const key = hash('sha256', `${context.resource} ${token}`, 'base64url')
    const known = good.get(key)
    // Clocks are set back, too.
    if (
      known !== undefined && context.now >= known.since && context.now < known.until
    ) { return known.auth }
    const shared = running.get(key)
    if (shared) return shared

    const fresh = ask(key, token, context).finally(() => {
      running.delete(key)
    })
    running.set(key, fresh)
    return fresh
  }

  async function ask (key: string, ...asked: Parameters<TokenVerifier>): Promise<McpAuth | null> {
    const auth = await verify(...asked)
    const { now } = asked[1]
    if (auth !== null && maxAge > 0) {
      good.set(key, { auth, since: now, until: Math.min(now + maxAge, auth.expiresAt ?? Infinity) })
    }
    return auth
  }
}
