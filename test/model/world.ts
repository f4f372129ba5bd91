import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { createBroker, type Broker } from '../../lib/broker/broker.ts'
import { revokeEndpoint } from '../../lib/broker/endpoints/revoke.ts'
import { authorizationCode } from '../../lib/broker/grants/authorization-code.ts'
import { refreshToken } from '../../lib/broker/grants/refresh-token.ts'
import type { TokenResponse } from '../../lib/broker/families.ts'
import type { RefreshContent } from '../../lib/broker/tokens.ts'
import { McpOAuthError } from '../../lib/errors.ts'
import type { ProviderDiscovery } from '../../lib/provider/discovery.ts'
import { withCircuitBreaker } from '../../lib/store/circuit-breaker.ts'
import type { McpOAuthOptions } from '../../lib/index.ts'
import { hash } from '../../lib/util/hash.ts'
import { createUrls } from '../../lib/urls.ts'
import { verifier } from '../support/credentials.ts'
import { clock } from './clock.ts'
import { clientId, configOf, log, noOptions } from './config.ts'
import { createFakeProvider, type ProviderState } from './provider.ts'
import { createSteps, type Faults } from './steps.ts'
import { createStores, type Entries } from './store.ts'

// The world of the model: three instances of the broker, one store and one provider. Each operation
// on the store and each call of the provider is a step that waits for the scheduler.

const { server } = Fastify()

/** What a path begins with. */
export interface State {
  /** Whose each code and token is. */
  owners: Map<string, string>
  entries: Entries
  provider: ProviderState
}

/** The answer to a request. The status is 0 if the instance was killed. */
export interface Reply {
  status: number
  /** Kind of the error. */
  kind?: string
  tokens?: TokenResponse
  /** Content of the refresh token. */
  content?: RefreshContent
  /** Claims of the access token. */
  claims?: Record<string, unknown>
}

/** A request and its answer. The numbers are places in the order of all requests and answers. */
export interface Entry {
  request: string
  instance: number
  /** Whose code or token it was. */
  user: string | undefined
  asked: Asked
  began: number
  ended: number
  /** Milliseconds until the answer. */
  took: number
  reply: Reply
}

/** Parameters of a request to the token endpoint. */
export interface Asked {
  code?: string
  token?: string
  scopes?: readonly string[] | undefined
  key?: string | undefined
  wrong?: boolean
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
  const steps = createSteps(faults)
  const history: Entry[] = []
  let isDirect = true
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
      catalog: () => ['mcp:read', 'mcp:write']
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
      ...content && { content: content as unknown as RefreshContent }
    }
  }

  /** Sends a request to an instance. */
  async function send (
    request: string,
    instance: number,
    asked: Asked,
    handle: (broker: Broker) => Promise<TokenResponse | undefined>
  ): Promise<Reply> {
    const user = owners.get(asked.code ?? asked.token ?? '')
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
      try {
        const tokens = await handle(await instanceOf(instance))
        return tokens ? await replyOf(tokens) : { status: 200 }
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
    provider,
    observer,
    begin: () => (isDirect = false),
    snapshot: (): State => structuredClone({ owners, entries, provider }),
    owners,
    entries,

    /** Copies an entry of one grant to the key of another, as a writer of the store can. */
    async copyEntry (kind: string, from: string, to: string) {
      await steps.turn(`a writer copies a ${kind}`)
      const keyOf = (id: string) =>
        [...entries.keys()].find(key => key.endsWith(`:${kind}:${hash(id)}`)) ?? ''
      const { value, until } = entries.get(keyOf(from)) ?? { value: '', until: 0 }
      entries.set(keyOf(to), { value, until })
    },

    /** Redeems a code. */
    redeem: (instance: number, code: string, { key, wrong = false }: Asked = {}) =>
      send(
        `redeem at ${instance}`,
        instance,
        { code, key, wrong },
        broker =>
          authorizationCode.handle(
            { broker, clientId, key, now: broker.now(), isGone: () => false },
            {
              grantType: 'authorization_code',
              code,
              redirectUri: undefined,
              resource: undefined,
              codeVerifier: wrong ? 'wrong' : verifier
            } as never
          )
      ),

    /** Refreshes a token. */
    refresh: (instance: number, token: string, { scopes, key }: Asked = {}) =>
      send(
        `refresh at ${instance}`,
        instance,
        { token, scopes, key },
        broker =>
          refreshToken.handle(
            { broker, clientId, key, now: broker.now(), isGone: () => false },
            {
              grantType: 'refresh_token',
              refreshToken: token,
              resource: undefined,
              scopes
            } as never
          )
      ),

    /** Revokes a token. */
    revoke: (instance: number, token: string) =>
      send(`revoke at ${instance}`, instance, { token }, async (broker) => {
        const request = {
          headers: {},
          body: String(new URLSearchParams({ token, client_id: clientId }))
        }
        const reply = { code: () => reply, send: () => reply }
        await revokeEndpoint.handle(
          broker,
          request as FastifyRequest,
          reply as unknown as FastifyReply
        )
        return undefined
      })
  }
}
