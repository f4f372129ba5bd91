import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import type { McpOAuthOptions, Store } from '../../lib/index.ts'
import { redisStore } from '../../lib/store/redis.ts'
import { startFlow, type Flow, type Instance } from '../support/flow.ts'
import { createKey } from '../support/issuer.ts'
import { createRandom } from '../support/random.ts'
import { connect, startRedis } from '../support/redis.ts'

// The world of a simulated month: a clock, a queue of events, instances that come and go, and a
// provider that rotates its tokens and keys and is away at times.

export const minute = 60
export const hour = 3_600
export const day = 86_400

/** Where the month takes place. */
export interface Setup {
  seed: number
  days: number
  /** Whether the instances share a Redis. Without it each has a memory of its own. */
  shared: boolean
  onReuse: 'revoke' | 'refuse'
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** A test context that is not one: the month runs for itself, too. */
type Context = Parameters<typeof startFlow>[0]

/** Redis with a simulated clock: the expiry of a value stands in the value. */
function withClock (store: Store): Store {
  const write = (value: string, ttl: number) => `${Date.now() + ttl * 1000} ${value}`
  const read = (entry: string | null) => {
    if (entry === null) return null
    const [until = ''] = entry.split(' ', 1)
    return Number(until) > Date.now() ? entry.slice(until.length + 1) : null
  }
  return {
    get: async key => read(await store.get(key)),
    put: (key, value, ttl) => store.put(key, write(value, ttl), hour),
    async putIfAbsent (key, value, ttl) {
      const entry = await store.putIfAbsent(key, write(value, ttl), hour)
      if (entry === null) return null
      const previous = read(entry)
      if (previous === null) await store.put(key, write(value, ttl), hour)
      return previous
    }
  }
}

/** Starts the world at a moment of its own. Its clock moves from event to event. */
export async function createWorld (t: Context, { seed, days, shared, onReuse }: Setup) {
  const random = createRandom(seed)
  const options: Partial<McpOAuthOptions> = { refresh: { onReuse } }
  if (shared) options.store = withClock(redisStore(await connect(t, (await startRedis(t)).port)))
  const start = Math.floor(Date.now() / 1000)
  mock.timers.enable({ apis: ['Date'], now: start * 1000 })
  t.after(() => mock.timers.reset())
  const flow: Flow = await startFlow(t, { instances: 4, options })
  flow.provider.spends = false
  const queue: Array<{ at: number, run: () => Promise<void> }> = []
  let now = 0

  const between = (least: number, most: number) => least + random() * (most - least)

  /** Runs something at a later time, in seconds from the start. */
  function at (time: number, run: () => Promise<void>) {
    if (time >= days * day) return
    const event = { at: Math.max(time, now), run }
    let low = 0
    let high = queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((queue[middle] as typeof event).at <= event.at) low = middle + 1
      else high = middle
    }
    queue.splice(low, 0, event)
  }

  async function replaceInstance (index: number) {
    const next = await flow.addInstance()
    const previous = flow.instances[index]
    flow.instances[index] = next
    await previous?.app.close()
  }

  /** Instances restart every few hours, and all of them twice a week. */
  function planRestarts () {
    at(now + between(2, 10) * hour, async () => {
      await replaceInstance(Math.floor(between(0, 4)))
      planRestarts()
    })
  }
  function planDeployment () {
    at(now + between(2, 5) * day, async () => {
      for (const index of flow.instances.keys()) await replaceInstance(index)
      planDeployment()
    })
  }

  /** Every day the provider is away for some minutes, in one of the ways that there are. */
  function planOutage () {
    at(now + between(0.5, 1.5) * day, async () => {
      const faults = ['unavailable', 'error', 'reset', 'html', 'redirect', 'missing'] as const
      flow.provider.fail.set('/token', faults[Math.floor(between(0, 6))] ?? 'error')
      at(now + between(1, 10) * minute, async () => {
        flow.provider.fail.clear()
        planOutage()
      })
    })
  }

  function planKeyRotation () {
    at(now + between(3, 6) * day, async () => {
      flow.provider.key = await createKey(`key ${randomBytes(4).toString('hex')}`)
      flow.provider.keys.push(flow.provider.key.jwk)
      planKeyRotation()
    })
  }
  for (const plan of [planRestarts, planDeployment, planOutage, planKeyRotation]) plan()

  return {
    flow,
    random,
    between,
    at,
    days,
    /** Seconds since the start. */
    now: () => now,
    /** The instance that the load balancer chooses. */
    instance: () => flow.instances[Math.floor(random() * 4)] as Instance,
    async run () {
      for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
        now = event.at
        mock.timers.setTime(Math.floor((start + now) * 1000))
        await event.run()
      }
    }
  }
}
