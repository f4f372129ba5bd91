/** How often is an access token verified? */
import { LRUCache } from 'lru-cache'
import { maxCachedTokens, tokenCacheSeconds } from '../limits.ts'
import type { McpAuth, TokenVerifier } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * Caches the callers of valid tokens, because verifying a signature costs more than the rest of a
 * guard. Rejected tokens are not cached. Concurrent requests with one token share its verification.
 *
 * Keys are hashes of resource and token. An entry does not outlive its token.
 *
 * @param options.max tokens in the cache; beyond it the least recently used are dropped
 * @param options.maxAge seconds after which a token is verified again; 0 caches nothing
 */
export function cachedVerifier (
  verify: TokenVerifier,
  { max = maxCachedTokens, maxAge = tokenCacheSeconds }: { max?: number, maxAge?: number } = {}
): TokenVerifier {
  const cache = new LRUCache<string, { caller: McpAuth, from: number, until: number }>({ max })
  const pending = new Map<string, Promise<McpAuth | null>>()

  return async (token, context) => {
    const { resource, now } = context
    const key = hash(`${resource} ${token}`)
    const cached = cache.get(key)
    // A clock may also be set back.
    if (cached && now >= cached.from && now < cached.until) return cached.caller
    const running = pending.get(key)
    if (running) return running

    const verification = verifyAndCache().finally(() => {
      pending.delete(key)
    })
    pending.set(key, verification)
    return verification

    async function verifyAndCache (): Promise<McpAuth | null> {
      const caller = await verify(token, context)
      if (caller !== null && maxAge > 0) {
        const until = Math.min(now + maxAge, caller.expiresAt ?? Infinity)
        cache.set(key, { caller, from: now, until })
      }
      return caller
    }
  }
}
