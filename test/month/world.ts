import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { redisStore } from '../../lib/store/redis.ts'
import type { Cleanup } from '../support/app.ts'
import { publicUrl, secret } from '../support/credentials.ts'
import type { Reply } from '../support/replies.ts'
import { form, type Params } from '../support/requests.ts'
import { createRandom } from '../support/random.ts'
import { connect, startRedis } from '../support/redis.ts'
import { startClock } from './clock.ts'
import { faults, startProvider, type Holder } from './provider.ts'
import { createSharedStore, processStore, storeFaults } from './store.ts'

// The world of a simulated month: instances that come and go, a provider that rotates its tokens
// and keys, and faults of all of them. Times are in milliseconds of the simulated clock.

export const second = 1_000
export const minute = 60 * second
export const hour = 60 * minute
export const day = 24 * hour

/** Where the month takes place. */
export interface Setup {
  seed: number
  days: number
  /** The store that instances share: a server, or one of this process. Default: their memory. */
  shared?: 'redis' | 'process'
  onReuse: 'revoke' | 'refuse'
  /** In seconds. Default: that of the package. */
  grace?: number
  /** Whether the provider takes the use of a spent token for theft and ends the login. */
  strict?: boolean
  /** Whether a client's requests go to one instance while it runs. */
  sticky?: boolean
  /** Whether new tokens of the provider get lost between it and our note of them. */
  lossy?: boolean
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** The server did not answer, or with a 5xx. */
export class Unavailable extends Error {}

/** A response, with the reason for a refusal that is in the log. */
export interface Answer extends Reply {
  reason: string
}

/** A process of the server. */
export interface Instance extends Holder {
  app: FastifyInstance
  send(path: string, init?: RequestInit): Promise<Answer>
}

const count = 4

/** Starts the world. `t` ends it. */
export async function createWorld (t: Cleanup, setup: Setup) {
  const { seed, days, onReuse, grace, strict = false, lossy = false } = setup
  /** Why requests were refused, by their id: responses do not say it. */
  const reasons = new Map<string, string>()
  const logOf = (id: string): FastifyBaseLogger => {
    const ignore = () => {}
    const note = ({ reason }: { reason?: string }) => {
      if (reason !== undefined) reasons.set(id, reason)
    }
    const log = {
      level: 'info',
      child: ({ reqId = '' }: { reqId?: string }) => logOf(reqId),
      info: note,
      warn: note,
      ...Object.fromEntries(
        ['fatal', 'error', 'debug', 'trace', 'silent'].map(name => [name, ignore])
      )
    }
    return log as unknown as FastifyBaseLogger
  }

  const random = createRandom(seed)
  const between = (least: number, most: number) => least + random() * (most - least)
  const store = setup.shared && (setup.shared === 'redis'
    ? redisStore(await connect(t, (await startRedis(t)).port))
    : processStore())
  // What is loaded at the first start takes real time.
  await (await createApp({})).close()
  const clock = startClock()
  t.after(async () => clock.stop())
  const provider = await startProvider({ clock, strict, between })
  t.after(async () => provider.stop())
  const shared = store && createSharedStore({ store, clock, between })
  /** How often each kind of fault happened. */
  const events: Record<string, number> = {}
  const happened = (name: string) => {
    events[name] = (events[name] ?? 0) + 1
  }

  async function createApp (options: Partial<McpOAuthOptions>): Promise<FastifyInstance> {
    const app = Fastify({
      loggerInstance: logOf(''),
      requestIdHeader: 'x-request-id'
    })
    await app.register(mcpOAuth, {
      issuer: 'http://127.0.0.1:1',
      clientId: 'broker',
      clientSecret: 'secret',
      secret,
      setupProxies: true,
      publicUrl,
      requiredScopes: ['mcp:read'],
      refresh: { onReuse, ...(grace !== undefined && { grace }) },
      ...options
    })
    await app.ready()
    return app as unknown as FastifyInstance
  }

  let created = 0
  async function startInstance (): Promise<Instance> {
    const clientSecret = `secret-${created++}`
    const holder: Holder = { isGone: false }
    provider.holders.set(clientSecret, holder)
    const store = shared && shared.storeOf(holder)
    const app = await createApp({ clientSecret, ...(store && { store }) })
    const instance = Object.assign(holder, {
      app,
      send: (path: string, init?: RequestInit) => send(instance, path, init)
    }) as Instance
    return instance
  }

  const instances: Instance[] = []
  const starting = (async () => {
    while (instances.length < count) instances.push(await startInstance())
  })()
  await clock.run(minute, () => instances.length === count)
  await starting

  let sent = 0
  /** Sends a request. Whoever asks gives up after half a minute. */
  async function send (instance: Instance, path: string, init: RequestInit = {}): Promise<Answer> {
    const { method = 'GET', headers = {}, body } = init
    const id = String(sent++)
    await clock.sleep(between(1, 30))
    if (instance.isGone) throw new Unavailable('connection refused')
    const reply = await Promise.race([
      instance.app.inject({
        method: method as 'GET',
        url: path,
        headers: { ...headers, 'x-request-id': id } as Record<string, string>,
        ...(body && { payload: body as string })
      }),
      clock.sleep(30 * second)
    ])
    if (!reply || instance.isGone) throw new Unavailable('connection reset')
    await clock.sleep(between(1, 30))
    const reason = reasons.get(id) ?? ''
    reasons.delete(id)
    const { location, 'set-cookie': cookies = [] } = reply.headers
    return {
      status: reply.statusCode,
      reason,
      headers: new Headers(),
      text: reply.body,
      location: location === undefined ? null : new URL(String(location)),
      cookies: [cookies].flat(),
      json: () => reply.json()
    }
  }

  /** The instance that the load balancer chooses. */
  function instance (client: number) {
    return instances[setup.sticky ? client % count : Math.floor(random() * count)] as Instance
  }

  /** Does something in the middle of requests: after some commands of the store, if any. */
  async function amidst (run: (holder: Holder) => void) {
    let commands = Math.floor(between(0, 10))
    const watch = shared || { before: (_holder: Holder) => {} }
    await new Promise<void>(resolve => {
      const act = (holder: Holder) => {
        watch.before = () => {}
        run(holder)
        resolve()
      }
      if (!shared) act(instances[Math.floor(between(0, count))] as Holder)
      else watch.before = holder => commands-- > 0 || act(holder)
    })
  }

  async function restart (index: number) {
    const previous = instances[index] as Instance
    instances[index] = await startInstance()
    await previous.app.close()
    previous.isGone = true
  }

  /** Ends an instance at once. Requests to it fail until another one is there. */
  function kill (holder: Holder) {
    happened('killed instances')
    Object.assign(holder, { isGone: true, isKilled: true })
    const index = instances.indexOf(holder as Instance)
    if (index < 0) return
    clock.sleep(between(1, 20) * second).then(async () => {
      instances[index] = await startInstance()
    }).catch(fail)
  }

  let problem: unknown
  function fail (error: unknown) {
    problem ??= error
  }

  /** Repeats something after pauses of these lengths. */
  function often (least: number, most: number, run: () => Promise<void> | void) {
    const repeat = async () => {
      for (;;) {
        await clock.sleep(between(least, most))
        await run()
      }
    }
    repeat().catch(fail)
  }

  /** Instances restart, some during requests, and twice a week all of them do. */
  often(4 * hour, 14 * hour, async () => {
    let index = 0
    await amidst(holder => {
      index = Math.max(0, instances.indexOf(holder as Instance))
    })
    happened('restarts')
    await restart(index)
  })
  often(2 * day, 5 * day, async () => {
    happened('deployments')
    for (const index of instances.keys()) await restart(index)
  })
  often(1 * day, 3 * day, () => amidst(kill))
  often(3 * day, 6 * day, async () => {
    happened('key rotations')
    await provider.rotateKey()
  })

  /** Several times a day the provider is away for some minutes, or slow. */
  often(3 * hour, 9 * hour, async () => {
    const names = Object.keys(faults) as Array<keyof typeof faults>
    const name = names[Math.floor(between(0, names.length + 3))]
    const { delay } = provider
    happened(name === undefined ? 'provider slow' : 'provider away')
    if (name === undefined) provider.delay = () => between(2, lossy ? 60 : 9) * second
    else provider.fault = name
    await clock.sleep(between(0.5, 10) * minute)
    Object.assign(provider, { fault: undefined, delay })
  })

  if (shared) {
    often(1 * hour, 5 * hour, async () => {
      const name =
        storeFaults[Math.floor(between(0, storeFaults.length))] as typeof storeFaults[number]
      await amidst(() => {
        shared.fault = name
      })
      happened('store away')
      // Some are over before a request is repeated, and others take a minute.
      await clock.sleep(between(0, 1) < 0.5 ? between(50, 3_000) : between(3, 90) * second)
      shared.fault = undefined
    })
  }

  if (lossy) {
    // An answer with a new token is lost, or the instance that receives it is killed.
    often(12 * hour, 36 * hour, () => {
      const kills = between(0, 1) < 0.5
      provider.intercept = holder => {
        provider.intercept = () => false
        happened('lost answers')
        if (kills) kill(holder)
        return true
      }
    })
  }

  return {
    clock,
    provider,
    shared,
    random,
    between,
    events,
    fail,
    end: days * day,
    instance,
    /** Sends a token request to an instance. Requests that fail may be repeated. */
    async token (client: number, params: Params): Promise<Answer> {
      const reply = await instance(client).send('/oauth/token', form(params))
      if (reply.status >= 500) throw new Unavailable(reply.text)
      return reply
    },
    async run (isOver?: () => boolean) {
      await clock.run(days * day, () => problem !== undefined || (isOver?.() ?? false))
      if (problem instanceof Error) throw problem
    }
  }
}
