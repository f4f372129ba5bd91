/** How is a value kept that must be fetched? */
import { maxRetryBackoffSeconds, refreshCooldownSeconds } from '../limits.ts'

const monotonic = () => performance.now() / 1000

/** A value that is loaded when needed and kept for a while. */
export type Cached<T extends object> = ReturnType<typeof cached<T>>

/**
 * Caches a loaded value. Concurrent callers share one load. After a failure the next load waits for
 * 1, 2, 4 … 60 s (and up to a quarter more, so that instances do not load in step). A failure does
 * not remove a value that may still be used. All times are in seconds.
 *
 * @param options.load fetches the value. There is one call at a time
 * @param options.freshFor time for which a value is used without another load
 * @param options.staleFor further time for which the last value is used while loads fail
 * @param options.cooldown pause between calls of `refresh` that load. Defaults to 30
 * @param options.now a clock. Defaults to the monotonic one: the date of the system may change
 */
export function cached<T extends object> (
  { load, freshFor, staleFor, cooldown = refreshCooldownSeconds, now = monotonic }: {
    load: () => Promise<T>
    freshFor: number
    staleFor: number
    cooldown?: number
    now?: (() => number) | undefined
  }
) {
  let value: T | undefined
  let loadedAt = -Infinity
  let refreshedAt = -Infinity
  let failures = 0
  let failure: unknown
  let retryAt = -Infinity
  let loading: Promise<T> | undefined

  const attempt = () => (loading ??= settle().finally(() => {
    loading = undefined
  }))

  async function settle () {
    try {
      value = await load()
      loadedAt = now()
      failures = 0
      retryAt = -Infinity
      return value
    } catch (error) {
      failure = error
      retryAt = now() + Math.min(maxRetryBackoffSeconds, 2 ** failures++) * (1 + Math.random() / 4)
      throw error
    }
  }

  /** Returns the last value while it may be used. Never loads. */
  function peek () {
    return now() < loadedAt + freshFor + staleFor ? value : undefined
  }

  /**
   * Returns the value: fresh, or loaded now, or the last one while loads fail. Rejects with the
   * error of the last load if there is none.
   */
  async function get () {
    const usable = peek()
    if (usable !== undefined && now() < loadedAt + freshFor) return usable
    const backingOff = now() < retryAt
    if (usable === undefined) {
      if (backingOff) throw failure
      return attempt()
    }
    const newer = backingOff ? usable : attempt().catch(() => usable)
    // After a failure the source may hang: use the last value instead of waiting for it.
    return failures > 0 ? usable : newer
  }

  /**
   * Loads the value although the cached one is fresh, if the cool-down allows it. Rejects if the
   * last load failed.
   */
  async function refresh () {
    if (loading) return loading
    if (isCoolingDown()) {
      if (failures > 0) throw failure
      return get()
    }
    refreshedAt = now()
    return attempt()
  }

  /** Whether `refresh` would not load now. */
  const isCoolingDown = () => now() < Math.max(retryAt, refreshedAt + cooldown)

  return { get, refresh, peek, isCoolingDown }
}
