/** Which values were used, and which grants were revoked? */
import { LRUCache } from 'lru-cache'
import {
  revocationCacheMs,
  revocationCacheSize,
  revokedGrantSeconds,
  revokedMachineSeconds
} from '../limits.ts'
import type { Store } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * Marks of what was used and what was revoked. Everything else is sealed and travels with the
 * client. Keys are hashes, so that the store holds nothing usable. Times to live are in seconds.
 */
export interface OneTimeMarks {
  /** Writes a value if there is none. Resolves to the previous one, null for exactly one caller. */
  claim(kind: string, id: string, value: string, ttl: number): Promise<string | null>
  /** Marks an id as used. Resolves to true for exactly one caller. */
  consume(kind: string, id: string, ttl: number): Promise<boolean>
  /** Undoes a `consume`. */
  release(kind: string, id: string): Promise<void>
  isConsumed(kind: string, id: string): Promise<boolean>
  /** Counts a failure. Resolves to true if it was the last one allowed. */
  fail(kind: string, id: string, allowed: number, ttl: number): Promise<boolean>
  /** Revokes the tokens of a grant. Resolves to true for exactly one caller. */
  revoke(grant: string): Promise<boolean>
  /** Whether a grant is revoked at this moment. */
  hasEnded(grant: string): Promise<boolean>
  /** Whether a grant was revoked at most a second ago: from a cache if possible. */
  isRevoked(grant: string): Promise<boolean>
  remember(kind: string, id: string, value: string, ttl: number): Promise<void>
  recall(kind: string, id: string): Promise<string | null>
}

/**
 * Returns the grant id of a machine client. It contains the client, so that the marks of one client
 * cannot push those of another out of a bounded store.
 */
export function machineGrant (clientId: string, id: string): string {
  return `machine.${hash(clientId)}.${id}`
}

function revocationOf (grant: string): { kind: string, ttl: number } {
  const [, client] = /^machine\.([\w-]{43})\./.exec(grant) ?? []
  return client === undefined
    ? { kind: 'revoked', ttl: revokedGrantSeconds }
    : { kind: `revoked-machine:${client}`, ttl: revokedMachineSeconds }
}

/**
 * Kinds with a store of their own: callers can cause any number of them, without a login (pages,
 * codes) or after it (machine tokens, refreshes), or their values are large.
 */
const isolatedKinds = [
  'consent',
  'login',
  'code',
  'code-failure',
  'replay',
  'assertion',
  'upstream',
  'revoked-machine',
  'refresh',
  'refreshing',
  'refreshed',
  'rotated'
]

/**
 * Creates the marks of one registration.
 *
 * @param context separates registrations that share a store
 * @param createStore creates a store for each isolated kind. Give it if stores are bounded: a flood
 *   of one kind must not push out another, or revocations. A kind that ends with a colon and a
 *   client has a store for each client. Defaults to the shared store
 */
export function createOneTimeMarks (
  store: Store,
  context: string,
  createStore: () => Store = () => store
): OneTimeMarks {
  const isolatedStores = new Map<string, Store>()
  const storeOf = (kind: string) => {
    if (!isolatedKinds.includes(kind.split(':', 1)[0] ?? '')) return store
    const isolated = isolatedStores.get(kind) ?? createStore()
    // Unbounded stores are shared: a map with an entry for each client would only grow.
    if (isolated !== store) isolatedStores.set(kind, isolated)
    return isolated
  }
  const revocationCache = new LRUCache<string, true>({
    max: revocationCacheSize,
    ttl: revocationCacheMs
  })
  const scope = hash(context).slice(0, 16)
  const keyOf = (kind: string, id: string) => `mcp-oauth:${scope}:${kind}:${hash(id)}`
  const marks: OneTimeMarks = {
    claim: (kind, id, value, ttl) => storeOf(kind).putIfAbsent(keyOf(kind, id), value, ttl),
    consume: async (kind, id, ttl) => await marks.claim(kind, id, '1', ttl) === null,
    // Stores need not be able to delete.
    release: (kind, id) => storeOf(kind).put(keyOf(kind, id), '1', 0.001),
    isConsumed: async (kind, id) => await marks.recall(kind, id) !== null,
    async fail (kind, id, allowed, ttl) {
      for (let count = 1; count <= allowed; count++) {
        if (await marks.consume(`${kind}-failure`, `${id}:${count}`, ttl)) return count === allowed
      }
      return true
    },
    async revoke (grant) {
      revocationCache.delete(grant)
      const { kind, ttl } = revocationOf(grant)
      return await marks.consume(kind, grant, ttl)
    },
    hasEnded: grant => marks.isConsumed(revocationOf(grant).kind, grant),
    // Only grants that are not revoked are cached.
    async isRevoked (grant) {
      if (revocationCache.has(grant)) return false
      const revoked = await marks.hasEnded(grant)
      if (!revoked) revocationCache.set(grant, true)
      return revoked
    },
    remember: (kind, id, value, ttl) => storeOf(kind).put(keyOf(kind, id), value, ttl),
    recall: (kind, id) => storeOf(kind).get(keyOf(kind, id))
  }
  return marks
}
