import { LRUCache } from 'lru-cache'
import type { Store } from '../types.ts'

/** Settings of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /**
   * Most entries kept; beyond that, or 400 characters for each of them, the least recently used
   * goes. Defaults to 10000.
   */
  max?: number
}

/**
 * A store in the memory of this process: for one instance, and lost with it. Each method does its
 * work in one synchronous step, which makes `putIfAbsent` atomic. Entries that live no longer than
 * 0 seconds are not written.
 */
export function memoryStore ({ max = 10_000 }: MemoryStoreOptions = {}): Store {
  const entries = new LRUCache<string, string>({
    max,
    maxSize: max * 400,
    sizeCalculation: (value, key) => value.length + key.length
  })

  function write (key: string, value: string, ttl: number): void {
    // To the cache a ttl of 0 means for ever.
    if (ttl > 0) entries.set(key, value, { ttl: Math.ceil(ttl * 1000) })
    else entries.delete(key)
  }

  return {
    async putIfAbsent (key, value, ttl) {
      const previous = entries.get(key)
      if (previous === undefined) write(key, value, ttl)
      return previous ?? null
    },
    async get (key) {
      return entries.get(key) ?? null
    },
    async put (key, value, ttl) {
      write(key, value, ttl)
    }
  }
}
