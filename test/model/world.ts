import Fastify from 'fastify'
import { createEvents } from '../../lib/host/events.ts'
import { createBroker, type Broker } from '../../lib/broker/broker.ts'
import type { TokenResponse } from '../../lib/broker/families.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import type { ProviderDiscovery } from '../../lib/provider/discovery.ts'
import { withCircuitBreaker } from '../../lib/store/circuit-breaker.ts'
import { createRevocations } from '../../lib/store/revocations.ts'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { hash } from '../../lib/util/hash.ts'
import { createUrls } from '../../lib/urls.ts'
import { clock, running } from './clock.ts'
import { configOf, log, noOptions } from './config.ts'
import { createFakeProvider, type ProviderState } from './provider.ts'
import { tokenRequests, type Entry, type Reply, type Send } from './requests.ts'
import { createSteps, type Faults } from './steps.ts'
import { createStores, type Entries } from './store.ts'

// The world of the model: three instances of the broker, one store and one provider. Each operation
// on the store and each call of the provider is a step that waits for the scheduler.

const { server } = Fastify()

/** Counts as an instance: it does its steps one after the other. */
const writer = 3

/** What a path begins with. */
export interface State {
  /** Whose each code and token is. */
  owners: Map<string, string>
  entries: Entries
  provider: ProviderState
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** Creates the world of one path. Nothing waits for the scheduler before it begins. */
export async function createWorld (
  state: State,
  faults: Faults,
  options: Partial<McpOAuthOptions> = noOptions,
  forgives = false
) {
  const { owners, entries, provider } = structuredClone(state)
  let isDirect = true
  const steps = createSteps(faults, () => isDirect)
  const history: Entry[] = []
  let moments = 0

  const storeOf = createStores({ entries, steps, faults, isDirect: () => isDirect })
  const config = configOf(options)

  async function createInstance (instance: number): Promise<Broker> {
    const own = { ...config, store: withCircuitBreaker(storeOf(instance)) }
    const broker = await createBroker({
      config: own,
      discovery: { metadata: async () => ({}) } as unknown as ProviderDiscovery,
      urls: createUrls(own, server),
      log,
      events: createEvents(own, log),
      revocations: createRevocations(own),
      catalog: () => ['mcp:read', 'mcp:write'],
      tools: () => []
    }, [])
    const fake = createFakeProvider({
      state: provider,
      forgives,
      call: (text, key, endings) =>
        new Promise(resolve => {
          if (isDirect) return resolve('done')
          const outcomes = endings.filter(ending =>
            ending === 'done' || faults.provider?.includes(ending)
          )
          steps.add({
            instance,
            text,
            key,
            writes: true,
            outcomes: outcomes.map(ending => [ending, () => resolve(ending)]),
            abandon: () => resolve('fails')
          })
        }),
      awake: () => steps.awake(instance),
      lateAnswer: text =>
        new Promise(resolve => {
          const outcomes: Array<[string, () => void]> = [['done', resolve]]
          steps.add({ instance, text, key: '', writes: false, outcomes, abandon: resolve })
        })
    })
    Object.assign(broker.provider, fake)
    return broker
  }

  const instances = new Map<number, Promise<Broker>>()
  /** An instance starts with its first request. */
  function instanceOf (instance: number): Promise<Broker> {
    const broker = instances.get(instance) ?? createInstance(instance)
    instances.set(instance, broker)
    return broker
  }
  const observer = await instanceOf(0)

  async function replyOf (tokens: TokenResponse): Promise<Reply> {
    const [, payload = ''] = tokens.access_token.split('.')
    const content = await observer.sealer.open('refresh', tokens.refresh_token ?? '', 0)
    return {
      status: 200,
      tokens,
      claims: JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>,
      ...content && { content: content as never }
    }
  }

  /** In the context of an instance, for what is frozen with it. */
  const within = faults.freezes
    ? <T>(instance: number, run: () => T) => running.run(instance, run)
    : <T>(_instance: number, run: () => T) => run()

  /** Sends a request to an instance. */
  const send: Send = async (request, instance, asked, handle) => {
    const user = asked.user ?? owners.get(asked.code ?? asked.token ?? '')
    const entry: Entry = {
      ...{ request, instance, user, asked },
      began: moments++,
      ended: Infinity,
      took: clock.elapsed(),
      reply: { status: 0 }
    }
    history.push(entry)
    const work = async (): Promise<Reply> => {
      if (steps.isDead(instance)) return { status: 0 }
      await steps.awake(instance)
      try {
        const broker = await instanceOf(instance)
        const result = await within(instance, () => handle(broker))
        return 'access_token' in result ? await replyOf(result) : result
      } catch (error) {
        if (!(error instanceof McpOAuthError)) throw error
        return { status: error.statusCode, kind: error.kind }
      }
    }
    entry.reply = await Promise.race([work(), steps.death(instance).then(() => ({ status: 0 }))])
    entry.ended = moments++
    entry.took = clock.elapsed() - entry.took
    const next = entry.reply.tokens?.refresh_token
    if (next !== undefined && user !== undefined && !owners.has(next)) owners.set(next, user)
    return entry.reply
  }

  return {
    steps,
    history,
    send,
    provider,
    observer,
    begin: () => (isDirect = false),
    snapshot: (): State => structuredClone({ owners, entries, provider }),
    owners,
    entries,

    /** Copies an entry of one grant to the key of another, as a writer of the store can. */
    async copyEntry (kind: string, from: string, to: string) {
      const [known = ''] = entries.keys()
      const prefix = known.split(':', 2).join(':')
      const [source, target] = [from, to].map(id => `${prefix}:${kind}:${hash(id)}`) as [
        string,
        string
      ]
      await steps.arrival(writer, `a writer copies a ${kind}`, `${source}|${target}`)
      const entry = entries.get(source)
      if (entry) entries.set(target, { ...entry })
    },
    ...tokenRequests(send)
  }
}
