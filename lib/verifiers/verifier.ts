/** Which options and which cache do the verifiers have in common? */
import { LRUCache } from 'lru-cache'
import type { McpOAuthError } from '../errors.ts'
import { maxCachedTokens, maxIssuerSkewSeconds, tokenCacheSeconds } from '../limits.ts'
import { audiences, fromEnv, issuer, logger, seconds, url } from '../options/fields.ts'
import type { McpAuth, TokenVerifier, VerifyContext } from '../types.ts'

/** Options of `jwtVerifier` and `introspectionVerifier`. */
export const commonFields = {
  /** Issuer of the tokens (`iss`), compared byte for byte. */
  issuer,
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

/** Returns the caller of a token that was verified before, without a promise. */
export type KnownCaller = (
  token: string,
  context: Pick<VerifyContext, 'resource' | 'now'>
) => McpAuth | undefined

/** How our verifiers do it: a verifier of the host may have any properties. */
export const knownCallers = new WeakMap<TokenVerifier, KnownCaller>()

/** Characters at the end of a token that nobody guesses: 256 bits of its signature. */
const keyChars = 43

/** Makes the error for a token at a time, or returns null if its cause is gone. */
type Refusal = (now: number) => McpOAuthError | null

const lastingRefusals = new WeakMap<object, Refusal>()

/**
 * Marks the error for a token that stays invalid, so that it is not verified at each repetition.
 *
 * @param refusal returns null as soon as the token may have become valid
 */
export function lasting (error: McpOAuthError, refusal: Refusal) {
  lastingRefusals.set(error, refusal)
  return error
}

/**
 * Caches the callers of valid tokens, because verifying a signature costs more than the rest of a
 * guard, and {@link lasting} refusals. Other errors are not cached. Concurrent requests with one
 * token share its verification.
 *
 * An entry does not outlive its token. Refusals have a cache of their own: anyone can cause them,
 * and must not push out valid tokens.
 *
 * @param options.max tokens in the cache; beyond it the least recently used are dropped. A tenth of
 *   it are refused tokens
 * @param options.maxAge seconds after which a token is verified again; 0 caches nothing
 */
export function cachedVerifier (
  verify: TokenVerifier,
  { max = maxCachedTokens, maxAge = tokenCacheSeconds } = {}
): TokenVerifier {
  const callers = createCache<McpAuth>(max)
  const refusals = createCache<Refusal>(Math.ceil(max / 10))
  const pending = new Map<string, ReturnType<TokenVerifier>>()

  // A hash of the whole token costs more than the rest of the lookup. Its end is the signature.
  const endOf = (token: string, resource: string) => `${token.slice(-keyChars)} ${resource}`

  const cached: TokenVerifier = async (token, context) => {
    const { resource, now } = context
    const end = endOf(token, resource)
    const caller = callers.get(end, token, now)
    if (caller) return caller
    const refusal = refusals.get(end, token, now)?.(now)
    if (refusal) throw refusal
    const key = `${resource} ${token}`
    const verification = pending.get(key) ?? verifyAndCache().finally(() => pending.delete(key))
    pending.set(key, verification)
    return verification

    async function verifyAndCache () {
      try {
        const caller = await verify(token, context)
        if (caller !== null) {
          const until = Math.min(now + maxAge, caller.expiresAt ?? Infinity)
          callers.set(end, { token, value: caller, from: now, until })
        }
        return caller
      } catch (error) {
        const refusal = lastingRefusals.get(Object(error))
        if (refusal) refusals.set(end, { token, value: refusal, from: now, until: now + maxAge })
        throw error
      }
    }
  }
  knownCallers.set(
    cached,
    (token, { resource, now }) => callers.get(endOf(token, resource), token, now)
  )
  return cached
}

/** A value for one token and a time, in seconds since 1970. */
interface Entry<Value> {
  token: string
  value: Value
  from: number
  until: number
}

function createCache<Value> (max: number) {
  const cache = new LRUCache<string, Entry<Value>>({
    // The option max would reserve the memory of all entries at once.
    maxSize: max,
    sizeCalculation: () => 1
  })
  return {
    get (key: string, token: string, now: number) {
      const entry = cache.get(key)
      if (entry?.token !== token) return undefined
      // A clock may also be set back.
      return now >= entry.from && now < entry.until ? entry.value : undefined
    },
    set (key: string, entry: Entry<Value>) {
      if (entry.until > entry.from) cache.set(key, entry)
    }
  }
}
