/** Which tokens were revoked by what they have in common, however many there are? */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import {
  leasePollMs,
  leaseSeconds,
  refreshAbsoluteSeconds,
  revocationCacheMs,
  revocationCacheSize,
  revocationSeenSeconds,
  sharedStoreEntries,
  storeTimeoutMs,
  tokenSkewSeconds
} from '../limits.ts'
import type { Store } from '../types.ts'
import { memoryStore } from './memory.ts'
import { createOneTimeMarks } from './one-time.ts'

/** The user, client and session that a token shares with others. */
export interface TokenOwner {
  /** The user, or the machine. */
  subject?: string | undefined
  client?: string | undefined
  /** The session of the user at the provider. */
  session?: string | undefined
}

/** Tokens of one revocation share a user, client or session, or nothing but their time. */
export type RevocationKind = keyof TokenOwner | 'all' | 'before'

/** A time that is read, or was. */
interface Reading {
  until?: number
  reading: Promise<number>
}

/** The revocations of one registration. */
export type Revocations = ReturnType<typeof createRevocations>

/**
 * Creates the revocations of one registration. Each is one key with a time, in milliseconds since
 * 1970: what was issued until then is refused. So a million tokens cost what one does.
 */
export function createRevocations (
  { store, provider, publicUrl, prefix, mcp, lifetimes }: {
    store: Store | null
    provider: { issuer: string } | null
    publicUrl: string | null
    prefix: string
    mcp: { path: string }
    /** In seconds. */
    lifetimes: { access: number, refreshAbsolute: number }
  }
) {
  const name = ['revocations', provider?.issuer, publicUrl, prefix + mcp.path].join(' ')
  const create = () => memoryStore({ max: sharedStoreEntries })
  const marks = createOneTimeMarks(store ?? create(), name, store ? undefined : create)
  const longest = Math.max(lifetimes.access, lifetimes.refreshAbsolute, refreshAbsoluteSeconds) +
    tokenSkewSeconds
  /** Until the first revocation, one key is read, which says that there was none. */
  let isUsed = false
  /** Milliseconds of the clock of this process until which none is known to be there. */
  let unusedUntil = 0
  const cache = new LRUCache<string, Reading>({
    // The option max would reserve the memory of all entries at once.
    maxSize: revocationCacheSize,
    sizeCalculation: () => 1,
    ttl: revocationCacheMs
  })

  const recall = async (kind: string, id: string) => Number(await marks.recall(kind, id) ?? 0)

  /** Reads a time at most once a second. A promise costs more than the rest of a check. */
  function cached (kind: string, id: string) {
    const key = `${kind} ${id}`
    const known = cache.get(key)
    if (known) return known.until ?? known.reading
    const begun = performance.now()
    const entry: Reading = {
      reading: recall(kind, id).then(
        until => {
          if (kind === 'revocations' && until === 0) unusedUntil = begun + revocationCacheMs
          return (entry.until = until)
        },
        (error) => {
          cache.delete(key)
          throw error
        }
      )
    }
    cache.set(key, entry)
    return entry.reading
  }

  function check (
    token: TokenOwner & { at: number },
    read: (kind: string, id: string) => number | Promise<number>
  ): boolean | Promise<boolean> {
    if (!isUsed) {
      const used = read('revocations', '')
      if (used === 0) return false
      if (used instanceof Promise) {
        return used.then(until => {
          isUsed ||= until > 0
          return isUsed && check(token, read)
        })
      }
    }
    const { at, ...owner } = token
    const times = Object.entries({ all: '', before: '', ...owner })
      .flatMap(([kind, id]) => id === undefined ? [] : [read(`revoked-${kind}`, id)])
    const isOver = (until: number) => at <= until
    const known = times.filter(time => typeof time === 'number')
    if (known.length === times.length) return known.some(isOver)
    return Promise.all(times).then(times => times.some(isOver))
  }

  /** Another instance may write an earlier time that it read before, as long as its store waits. */
  function confirmLater (key: string, id: string, until: number) {
    const confirm = async () => {
      if (await recall(key, id) < until) await marks.remember(key, id, String(until), longest)
    }
    sleep(2 * storeTimeoutMs, undefined, { ref: false }).then(confirm).catch(() => {})
  }

  async function waitForTurn () {
    while (!await marks.lease('before', randomUUID(), leaseSeconds)) await sleep(leasePollMs)
  }

  return {
    /** Whether this instance knows of a revocation. */
    isUsed: () => isUsed,

    /** Whether there was none a moment ago. */
    isUnused: () => !isUsed && performance.now() < unusedUntil,

    /**
     * Whether a token was revoked at most a second ago or earlier: no promise if that is known.
     *
     * @param token.at when it was issued, in milliseconds since 1970
     */
    isRevoked: (token: TokenOwner & { at: number }) => check(token, cached),

    /** Whether a token is revoked at this moment: nothing is cached. */
    isRevokedNow: async (token: TokenOwner & { at: number }) => await check(token, recall),

    /**
     * Revokes all tokens of a kind that were issued until a time, in milliseconds since 1970.
     *
     * @param id of the user, client or session; `''` for the other kinds
     * @throws {McpOAuthError} `storeUnavailable`: it may have had no effect
     */
    async revoke (kind: RevocationKind, id: string, until: number) {
      // Others are as late as the clock. A time that somebody chose must not replace a later one.
      if (kind === 'before') await waitForTurn()
      const key = `revoked-${kind}`
      const [used, latest] = await Promise.all([recall('revocations', ''), recall(key, id)])
      // Where a store was emptied, other instances must find it again.
      if (used === 0) await marks.remember('revocations', '', '1', revocationSeenSeconds)
      if (latest < until) await marks.remember(key, id, String(until), longest)
      isUsed = true
      cache.delete(`${key} ${id}`)
      confirmLater(key, id, until)
    }
  }
}
