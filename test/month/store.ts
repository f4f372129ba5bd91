import type { Store } from '../../lib/index.ts'
import type { Clock } from './clock.ts'
import type { Holder } from './provider.ts'

// A store for several instances, with a simulated clock and faults.

/** Ways in which a store fails. */
export const storeFaults = ['refused', 'silent', 'lost', 'answered late', 'written late'] as const

export type SharedStore = ReturnType<typeof createSharedStore>

/**
 * Wraps a store of this machine. The expiry of a value stands in the value, for the clock is a
 * simulated one.
 */
export function createSharedStore (
  { store, clock, between }: {
    store: Store
    clock: Clock
    between: (least: number, most: number) => number
  }
) {
  const write = (value: string, ttl: number) => `${Date.now() + ttl * 1000} ${value}`
  const read = (entry: string | null) => {
    if (entry === null) return null
    const [until = ''] = entry.split(' ', 1)
    return Number(until) > Date.now() ? entry.slice(until.length + 1) : null
  }
  const shared = {
    fault: undefined as typeof storeFaults[number] | undefined,
    /** When each key was last written with `put`, in milliseconds. */
    written: new Map<string, number>(),
    /** Is called before each command. */
    before: (_holder: Holder) => {},
    /** Operations of all instances. */
    operations: 0,
    /** The store as one instance sees it. */
    storeOf: (holder: Holder): Store => ({
      get: key => send(holder, async () => read(await store.get(key))),
      put: (key, value, ttl) =>
        send(holder, async () => {
          shared.written.set(key, clock.now())
          await store.put(key, write(value, ttl), 3600)
        }),
      putIfAbsent: (key, value, ttl) =>
        send(holder, async () => {
          const entry = await store.putIfAbsent(key, write(value, ttl), 3600)
          if (entry === null) return null
          const previous = read(entry)
          if (previous === null) await store.put(key, write(value, ttl), 3600)
          return previous
        })
    })
  }
  return shared

  async function send<T> (holder: Holder, command: () => Promise<T>): Promise<T> {
    shared.operations++
    shared.before(holder)
    const { fault } = shared
    const run = () => holder.isGone ? never<T>() : clock.work(command)
    if (holder.isGone || fault === 'silent') return await never()
    await clock.sleep(0.5)
    if (fault === 'refused') throw new Error('the connection was refused')
    if (fault === 'written late') await clock.sleep(between(1_200, 5_000))
    const result = await run()
    if (fault === 'lost') throw new Error('the connection was reset')
    if (fault === 'answered late') await clock.sleep(between(1_200, 5_000))
    return holder.isGone ? await never() : result
  }
}

/** A store of this process, for instances in it. It is faster than a server. */
export function processStore (): Store {
  const entries = new Map<string, string>()
  return {
    get: async key => entries.get(key) ?? null,
    async put (key, value) {
      entries.set(key, value)
    },
    async putIfAbsent (key, value) {
      const previous = entries.get(key)
      if (previous === undefined) entries.set(key, value)
      return previous ?? null
    }
  }
}

function never<T> () {
  return new Promise<T>(() => {})
}
