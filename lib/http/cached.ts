/** How a value that must be fetched is kept. All times are seconds. */
export interface CachedOptions<T> {
  /** Fetches the value. It is never called again while it runs. */
  load: () => Promise<T>
  /** How long a value is used without asking again. */
  freshFor: number
  /** How much longer the last good value is used while loading fails. */
  staleFor: number
  /** How long `refresh` leaves the source alone after it has asked. Defaults to 30. */
  cooldown?: number
  /**
   * A clock. Defaults to the monotonic one of the process: what is kept must not depend on the date
   * being set right.
   */
  now?: () => number
}

/** A value that is fetched when needed and kept for a while. */
export interface Cached<T> {
  /**
   * The value: fresh, or loaded now, or the last good one while its source fails. Rejects as the
   * last load did when there is none.
   */
  get(): Promise<T>
  /**
   * The newest value that may be asked for now, although the kept one is fresh. Rejects when the
   * last load failed.
   */
  refresh(): Promise<T>
  /** The last good value while it may be used. Asks for nothing. */
  peek(): T | undefined
}

/**
 * Keeps a loaded value. Callers at the same time share one load, a source that fails is asked again
 * after 1, 2, 4 … 60 s (and up to a quarter more, so that instances do not ask in step), and a
 * source that fails never takes away a value that is still good.
 */
export function cached<T extends object> (options: CachedOptions<T>): Cached<T> {
  const { load, freshFor, staleFor, cooldown = 30, now = () => performance.now() / 1000 } = options
  let value: T | undefined
  let loadedAt = -Infinity
  let refreshedAt = -Infinity
  let failures = 0
  let failure: unknown
  let retryAt = -Infinity
  let loading: Promise<T> | undefined

  function attempt (): Promise<T> {
    loading ??= settle().finally(() => {
      loading = undefined
    })
    return loading
  }

  async function settle (): Promise<T> {
    try {
      value = await load()
      loadedAt = now()
      failures = 0
      retryAt = -Infinity
      return value
    } catch (error) {
      failure = error
      retryAt = now() + Math.min(60, 2 ** failures++) * (1 + Math.random() / 4)
      throw error
    }
  }

  function peek (): T | undefined {
    return now() < loadedAt + freshFor + staleFor ? value : undefined
  }

  async function get (): Promise<T> {
    const known = peek()
    if (known !== undefined && now() < loadedAt + freshFor) return known
    const resting = now() < retryAt
    if (known === undefined) {
      if (resting) throw failure
      return attempt()
    }
    const newer = resting ? known : attempt().catch(() => known)
    // A source that has failed before may hang now: nobody waits for it as long as there is
    // something to answer with.
    return failures > 0 ? known : newer
  }

  async function refresh (): Promise<T> {
    if (loading) return loading
    if (now() < Math.max(retryAt, refreshedAt + cooldown)) {
      if (failures > 0) throw failure
      return get()
    }
    refreshedAt = now()
    return attempt()
  }

  return { get, refresh, peek }
}
