/** How are marks stored in the memory of one instance? */
import { LRUCache } from 'lru-cache'
import { memoryStoreCharsPerEntry, memoryStoreEntries } from '../limits.ts'
import type { Store, StoreIndex } from '../types.ts'

/**
 * Creates a store in the memory of this process: for one instance, and lost when it stops.
 *
 * Each method is one synchronous step, which makes `putIfAbsent` atomic. An entry with a lifetime
 * of 0 seconds or less is not written.
 *
 * @param options.max maximum number of entries. Beyond it, or beyond 400 characters for each of
 *   them, the least recently used entries are dropped. Defaults to 10,000
 */
export function memoryStore ({ max = memoryStoreEntries } = {}): Store {
  if (!Number.isInteger(max)) throw new TypeError('memoryStore: max must be a whole number')
  // The option max of the cache would reserve the memory of all entries at once.
  const entries = new LRUCache<string, string>({
    maxSize: max * memoryStoreCharsPerEntry,
    sizeCalculation: (value, key) => value.length + key.length
  })

  function write (key: string, value: string, ttl: number) {
    // To the cache, a ttl of 0 means no expiry.
    if (ttl > 0) entries.set(key, value, { ttl: Math.ceil(ttl * 1000) })
    else entries.delete(key)
    if (entries.size > max) entries.pop()
  }

  return {
    get: async key => entries.get(key) ?? null,
    put: async (...entry) => write(...entry),
    async putIfAbsent (key, value, ttl) {
      const previous = entries.get(key) ?? null
      if (previous === null) write(key, value, ttl)
      return previous
    },
    index: memoryIndex(max)
  }
}

/** The members of all sets are in one cache, as their number has one limit. */
function memoryIndex (max: number): StoreIndex {
  const members = new LRUCache<string, readonly [set: string, member: string, expiresAt: number]>({
    maxSize: max,
    sizeCalculation: () => 1
  })
  const keyOf = (set: string, member: string) => JSON.stringify([set, member])
  return {
    async add (set, member, expiresAt) {
      const ttl = Math.ceil(expiresAt - Date.now())
      if (ttl > 0) members.set(keyOf(set, member), [set, member, expiresAt], { ttl })
    },
    async remove (set, member) {
      members.delete(keyOf(set, member))
    },
    list: async (set, before, count) =>
      [...members.values()].filter(([own, , expiresAt]) => own === set && expiresAt < before)
        .sort(([, , a], [, , b]) => b - a).slice(0, count)
        .map(([, member, expiresAt]) => [member, expiresAt] as const)
  }
}
