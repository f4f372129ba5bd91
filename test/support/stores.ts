import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../lib/types.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { openRedis, skip } from './redis.ts'

/**
 * A store that delegates to another one and records its writes, except the messages between
 * instances.
 */
export function recordWrites (): { wrap: (store: Store) => Store, writes: Write[] } {
  const writes: Write[] = []
  const record = (write: Write) => {
    if (!write.key.includes(':secret:')) writes.push(write)
  }
  return {
    writes,
    wrap: ({ get, put, putIfAbsent }) => ({
      get,
      put: (key, value, ttl) => {
        record({ key, value, ttl })
        return put(key, value, ttl)
      },
      putIfAbsent: (key, value, ttl) => {
        record({ key, value, ttl })
        return putIfAbsent(key, value, ttl)
      }
    })
  }
}

export interface Write {
  key: string
  value: string
  ttl: number
}

/** A kind of store, and the reason why it is unavailable here, if it is. */
export interface StoreKind {
  where: 'in memory' | 'on Redis'
  skip: string | false
  open(t: TestContext): Promise<Store>
}

export const stores: StoreKind[] = [
  { where: 'in memory', skip: false, open: async () => memoryStore() },
  { where: 'on Redis', skip, open: openRedis }
]

/** A store with slow reads: parallel requests all read before one of them writes. */
export function racing (store: Store): Store {
  return {
    ...store,
    async get (key) {
      const value = await store.get(key)
      await sleep(30)
      return value
    }
  }
}

/** A store whose client loses each first reply to a conditional write, and sends it again. */
export function sentTwice (store: Store): Store {
  return {
    ...store,
    async putIfAbsent (key, value, ttl) {
      await store.putIfAbsent(key, value, ttl)
      return await store.putIfAbsent(key, value, ttl)
    }
  }
}

/** A store whose methods throw while a function says so. Default: those of marks. */
export function failing (
  store: Store,
  isDown: () => boolean,
  message = 'down',
  methods: ReadonlyArray<'get' | 'put' | 'putIfAbsent'> = ['get', 'put', 'putIfAbsent']
): Store {
  const wrapped = methods.map(name => [
    name,
    async (...entry: [key: string, value: string, ttl: number]) => {
      if (isDown()) throw new Error(message)
      return await store[name](...entry)
    }
  ])
  return { ...store, ...Object.fromEntries(wrapped) }
}
