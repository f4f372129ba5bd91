/** Which options and which cache do the verifiers have in common? */
import { LRUCache } from 'lru-cache'
import { maxCachedTokens, maxIssuerSkewSeconds, tokenCacheSeconds } from '../limits.ts'
import { audiences, fromEnv, logger, seconds, url } from '../options/fields.ts'
import type { McpAuth, TokenVerifier } from '../types.ts'
import { hash } from '../util/hash.ts'

/** Options of `jwtVerifier` and `introspectionVerifier`. */
export const commonFields = {
  /** Issuer of the tokens (`iss`), compared byte for byte. */
  issuer: url({ query: false }),
  /** URL of the metadata of the issuer. Defaults to discovery. */
  metadataUrl: fromEnv(url()),
  /** Accepted audiences (`aud`) in addition to the URL of the MCP route. */
  audience: audiences,
  /** Seconds by which clocks may differ, 0 to 120. Defaults to 30. */
  clockTolerance: fromEnv(seconds(0, maxIssuerSkewSeconds)),
  /**
   * Seconds for which a valid token is cached, at most 60, never past its expiry; 0 verifies each
   * request. Meanwhile a revoked token stays valid. Defaults to 60 for JWTs, 0 for introspection.
   */
  cacheFor: fromEnv(seconds(0, tokenCacheSeconds)),
  /** Logger of failed requests to the issuer. */
  log: logger
}

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
  { max = maxCachedTokens, maxAge = tokenCacheSeconds } = {}
): TokenVerifier {
  const cache = new LRUCache<string, { caller: McpAuth, from: number, until: number }>({
    // The option max would reserve the memory of all entries at once.
    maxSize: max,
    sizeCalculation: () => 1
  })
  const pending = new Map<string, ReturnType<TokenVerifier>>()

  return async (token, context) => {
    const { resource, now } = context
    const key = hash(`${resource} ${token}`)
    const cached = cache.get(key)
    // A clock may also be set back.
    if (cached && now >= cached.from && now < cached.until) return cached.caller
    const verification = pending.get(key) ?? verifyAndCache().finally(() => pending.delete(key))
    pending.set(key, verification)
    return verification

    async function verifyAndCache () {
      const caller = await verify(token, context)
      if (caller !== null && maxAge > 0) {
        const until = Math.min(now + maxAge, caller.expiresAt ?? Infinity)
        cache.set(key, { caller, from: now, until })
      }
      return caller
    }
  }
}
