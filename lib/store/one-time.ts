/** Which marks, leases and values does the store have, and under which keys? */
import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { revocationCacheMs, revocationCacheSize } from '../limits.ts'
import type { Store } from '../types.ts'
import { hash } from '../util/hash.ts'

/** The state in the store: marks, leases and kept values. Clients carry all other state, sealed. */
export type OneTimeMarks = ReturnType<typeof createOneTimeMarks>

/**
 * Returns the grant id of a machine client. It contains the client, so that the marks of one client
 * cannot push those of another out of a bounded store.
 */
export function machineGrant (clientId: string, id: string) {
  return `machine.${hash(clientId)}.${id}`
}

/** The hash of the client in the grant id of a machine client, or undefined for a user's. */
export function machineOf (grant: string) {
  return /^machine\.([\w-]{43})\./.exec(grant)?.[1]
}

function revocationOf (grant: string) {
  const client = machineOf(grant)
  return client === undefined ? 'revoked' : `revoked-machine:${client}`
}

// Short, as a memory store holds hundreds of thousands.
const prefix = randomBytes(6).toString('base64url')
let claims = 0

/**
 * Writes a value of its own to a key. Resolves to true for exactly one caller, also if the write is
 * sent twice: clients of Redis do that when they lose the connection before the reply.
 */
export async function claimKey (store: Store, key: string, ttl: number) {
  const own = prefix + (claims++).toString(36)
  return (await store.putIfAbsent(key, own, ttl) ?? own) === own
}

/**
 * Kinds with a store of their own: callers can cause any number of them, without a login (pages,
 * codes) or after it (machine tokens, refreshes), or their values are large.
 */
const isolatedKinds = (
  'consent login logout code code-failure ended assertion assertion-seen revoked-session ' +
  'revoked-machine lease lease-first family redemption grant id-jag id-jag-seen workload ' +
  'workload-seen'
).split(' ')

/**
 * Creates the marks of one registration. Keys are hashes: the store contains nothing usable.
 * Times to live (`ttl`) are in seconds.
 *
 * @param context separates registrations that share a store
 * @param createStore creates a store for each isolated kind. Give it if stores are bounded: a flood
 *   of one kind must not push out another, or revocations. A kind that ends with a colon and a
 *   client has a store for each client. Defaults to the shared store
 */
export function createOneTimeMarks (
  store: Store,
  context: string,
  createStore = () => store
) {
  const isolatedStores = new Map<string, Store>()
  const revocationCache = new LRUCache<string, true>({
    // The option max would reserve the memory of all entries at once.
    maxSize: revocationCacheSize,
    sizeCalculation: () => 1,
    ttl: revocationCacheMs
  })
  const scope = hash(context).slice(0, 16)
  const keyOf = (kind: string, id: string) => `mcp-oauth:${scope}:${kind}:${hash(id)}`

  function storeOf (kind: string): Store {
    if (!isolatedKinds.includes(kind.split(':', 1)[0] ?? '')) return store
    const isolated = isolatedStores.get(kind) ?? createStore()
    // Unbounded stores are shared: a map with an entry for each client would only grow.
    if (isolated !== store) isolatedStores.set(kind, isolated)
    return isolated
  }

  /** Returns a stored value, or null. */
  const recall = (kind: string, id: string) => storeOf(kind).get(keyOf(kind, id))

  /** Stores a value. */
  const remember = (kind: string, id: string, value: string, ttl: number) =>
    storeOf(kind).put(keyOf(kind, id), value, ttl)

  /** Marks an id with a value, unless it is marked. Resolves to the earlier mark, or null. */
  const mark = (kind: string, id: string, value: string, ttl: number) =>
    storeOf(kind).putIfAbsent(keyOf(kind, id), value, ttl)

  /** Marks an id with a value. Resolves to the mark in force: this one, or an earlier one. */
  const claim = async (kind: string, id: string, value: string, ttl: number) =>
    await mark(kind, id, value, ttl) ?? value

  /** Marks an id as used. Resolves to true for exactly one caller. */
  const consume = (kind: string, id: string, ttl: number) =>
    claimKey(storeOf(kind), keyOf(kind, id), ttl)

  /** Whether an id is marked as used. */
  const isConsumed = async (kind: string, id: string) => await recall(kind, id) !== null

  /** Whether a grant is revoked at this moment: nothing is cached. */
  const isRevokedNow = (grant: string) => isConsumed(revocationOf(grant), grant)

  return {
    keyOf,
    recall,
    remember,
    claim,
    consume,
    isConsumed,
    isRevokedNow,

    /** Takes a lease, which others cannot take until it lapses. Its holder can take it again. */
    async lease (id: string, holder: string, ttl: number) {
      const previous = await mark('lease', id, holder, ttl)
      if (previous === holder) await remember('lease', id, holder, ttl)
      return previous === null || previous === holder
    },

    /** Extends a lease that is held. */
    extend: (id: string, holder: string, ttl: number) => remember('lease', id, holder, ttl),

    /** Counts a failure with a code. The last one allowed marks it as used. */
    async failCode (id: string, allowed: number, ttl: number) {
      for (let count = 1; count < allowed; count++) {
        if (await consume('code-failure', `${id}:${count}`, ttl)) return
      }
      await consume('code', id, ttl)
    },

    /** Revokes the tokens of a grant, the last of which expires after `ttl`. */
    async revoke (grant: string, ttl: number) {
      revocationCache.delete(grant)
      await consume(revocationOf(grant), grant, ttl)
    },

    /** Whether a grant was revoked at most a second ago. Grants that are not revoked are cached. */
    async isRevoked (grant: string) {
      if (revocationCache.has(grant)) return false
      const revoked = await isRevokedNow(grant)
      if (!revoked) revocationCache.set(grant, true)
      return revoked
    }
  }
}
