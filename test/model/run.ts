import type { McpOAuthOptions } from '../../lib/index.ts'
import { hash } from '../../lib/util/hash.ts'
import { challenge } from '../support/credentials.ts'
import { clock } from './clock.ts'
import type { Run } from './scheduler.ts'
import { type Faults, acting } from './steps.ts'
import { clientId, redirectUri } from './config.ts'
import type { Reply } from './requests.ts'
import { createWorld, type State, type World } from './world.ts'

// Runs one path of a scenario: what was before, the requests, what is asked when all is quiet.

/** A login of a user, and the refresh tokens that it got, by generation. */
export interface Session {
  user: string
  grant: string
  code: string
  /** At the provider. */
  session: string
  tokens: string[]
  /** Of a login that is not complete: what its browser has. */
  login?: {
    cookies: ReadonlyMap<string, string>
    form: string
    /** Of the callback. Empty before the user has logged in at the provider. */
    query: string
  }
}

/** A path that has ended. */
export interface Outcome {
  world: World
  sessions: readonly Session[]
}

/** Returns what is wrong with a path. */
export type Invariant = (outcome: Outcome) => string[]

export interface Scenario {
  title: string
  faults?: Faults
  options?: Partial<McpOAuthOptions>
  /** Whether the provider answers a request again whose answer was lost. */
  forgives?: boolean
  /** Whether the actors share nothing in the memory of an instance. */
  areApart?: boolean
  /** What happened before, without faults. */
  before: (world: World) => Promise<Session[]>
  /** The requests that run at the same time. */
  actors: (outcome: Outcome) => Array<() => Promise<unknown>>
  /** Requests without faults, when all is quiet. */
  after?: (outcome: Outcome) => Promise<unknown>
  invariants: readonly Invariant[]
}

const maxSteps = 2_000
const maxAttempts = 15

/** A login whose code is not redeemed yet. */
export async function logIn (
  world: World,
  user: string,
  { scopes = ['mcp:read'], key }: { scopes?: string[], key?: string } = {}
): Promise<Session> {
  const grant = `grant of ${user}`
  const upstreamCode = `code-${user}`
  world.provider.codes[upstreamCode] = { user }
  const content = {
    id: `code of ${user}`,
    grant,
    client: hash(clientId),
    redirectUri,
    scopes,
    codeChallenge: challenge,
    resource: world.observer.urls().resource,
    key,
    upstreamCode,
    secrets: { verifier: 'verifier', nonce: 'nonce' }
  }
  const code = await world.observer.sealer.seal('code', content, 60, world.observer.now())
  world.owners.set(code, user)
  return { user, grant, code, session: `s${upstreamCode}`, tokens: [] }
}

function add (session: Session, { tokens }: Reply): void {
  if (tokens?.refresh_token === undefined) throw new Error('The scenario could not begin')
  session.tokens.push(tokens.refresh_token)
}

interface Past {
  refreshes?: number
  /** Seconds since the last refresh. */
  wait?: number
  scopes?: string[]
  key?: string
}

/** A login whose code was redeemed, and some refreshes, each a minute after the one before. */
export async function signIn (
  world: World,
  user: string,
  { refreshes = 0, wait = 60, ...more }: Past = {}
): Promise<Session> {
  const session = await logIn(world, user, more)
  const { key } = more
  add(session, await world.redeem(0, session.code, { ...key !== undefined && { key } }))
  for (let generation = 0; generation < refreshes; generation++) {
    await clock.advance(60_000)
    const token = session.tokens[generation] as string
    add(session, await world.refresh(0, token, { ...key !== undefined && { key } }))
  }
  await clock.advance(wait * 1_000)
  return session
}

/** Sends a request again a second later, at the next instance, while it is refused with a 5xx. */
export async function persist (
  request: (instance: number) => Promise<Reply>,
  instances: readonly number[]
): Promise<Reply> {
  for (let attempt = 0;; attempt++) {
    const reply = await request(instances[attempt % instances.length] as number)
    if (reply.status > 0 && reply.status < 500) return reply
    if (attempt === maxAttempts) throw new Error(`it was refused ${maxAttempts} times`)
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
}

/** Lets steps through until nothing happens any more. @returns false if the path is abandoned */
async function drive (
  { steps }: World,
  decide: Parameters<Run>[0],
  isCalm: boolean
): Promise<boolean> {
  for (let count = 0; count < maxSteps; count++) {
    const choices = steps.choices(isCalm)
    if (choices.length > 0) {
      const choice = decide(choices)
      if (choice === null) return false
      await choice.apply()
      await clock.settle()
    } else if (!await clock.next()) return true
  }
  throw new Error(`The path has more than ${maxSteps} steps`)
}

/** Prepares a scenario. @returns the function that runs one path of it */
export async function prepare (scenario: Scenario): Promise<Run> {
  const { faults = {}, options, forgives = false, areApart = false } = scenario
  const { before, actors, after, invariants } = scenario
  clock.reset()
  const origin: State = {
    owners: new Map(),
    entries: new Map(),
    provider: { codes: {}, sessions: {} }
  }
  const first = await createWorld(origin, {}, options)
  const sessions = await before(first)
  const state = first.snapshot()
  const elapsed = clock.elapsed()

  return async (decide) => {
    clock.reset(elapsed)
    const world = await createWorld(state, faults, options, forgives)
    world.begin()
    const outcome = { world, sessions }
    const problems: string[] = []
    let running = 0
    const start = (actor: () => Promise<unknown>) => {
      running++
      actor().then(() => running--, (error: unknown) => {
        running--
        problems.push(`a request failed: ${String((error as Error).stack)}`)
      })
    }
    for (const [index, actor] of actors(outcome).entries()) {
      start(areApart ? () => acting.run(index, actor) : actor)
      await clock.settle()
    }
    if (!await drive(world, decide, false)) return []
    if (after) {
      start(() => after(outcome))
      await clock.settle()
      await drive(world, choices => choices[0] ?? null, true)
    }
    if (running > 0) problems.push('a request was never answered')
    return [...problems, ...invariants.flatMap(invariant => invariant(outcome))]
  }
}
