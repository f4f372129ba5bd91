import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet, Sent } from './fleet.ts'
import { Stuck, visitor, type Visitor } from './visitor.ts'

export interface LoginPlan {
  logins: number
  /** Number of logins at a time. */
  concurrency: number
  /** Shortest and longest pause between two kills, in milliseconds, or null for none. */
  pause: readonly [number, number] | null
}

export interface LoginReport {
  logins: number
  completed: number
  /** Logins that failed, although no instance was killed during one of their requests. */
  lost: number
  /** Logins in which a token or a tool named another user. */
  crossed: number
  /** Logins that were started again after a kill during one of their requests, by request. */
  startedOver: Record<string, number>
  /** Kills, each followed by a start. */
  restarts: number
  /** Requests to an instance that was down, and requests during which an instance was killed. */
  detours: { refused: number, cut: number }
  seconds: number
  /** Errors of the lost logins. */
  problems: string[]
}

/**
 * Users log in, call a tool, refresh and call it again. Each step goes to the other instance, and
 * instances are killed meanwhile.
 */
export async function runLogins (
  fleet: Fleet,
  { logins, concurrency, pause }: LoginPlan
): Promise<LoginReport> {
  const began = performance.now()
  const report: LoginReport = {
    logins,
    completed: 0,
    lost: 0,
    crossed: 0,
    startedOver: {},
    restarts: 0,
    detours: fleet.detours,
    seconds: 0,
    problems: []
  }

  async function logIn (user: string): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        const seen = await visit(fleet, user)
        report.completed++
        if (seen.some(subject => subject !== user)) report.crossed++
        return
      } catch (error) {
        if (!(error instanceof Stuck && error.cut)) {
          report.lost++
          report.problems.push(`${user} ${String(error)}`)
          return
        }
        report.startedOver[error.step] = (report.startedOver[error.step] ?? 0) + 1
      }
    }
    report.lost++
    report.problems.push(`${user} was cut off ten times`)
  }

  const over = new AbortController()
  await Promise.all([
    inParallel(concurrency, users(logins), logIn).finally(() => {
      over.abort()
    }),
    pause && killAtRandom(fleet, pause, report, over.signal)
  ])
  return { ...report, seconds: secondsSince(began) }
}

/** Runs one visit. Resolves to the subjects that the tokens and the tool have named. */
async function visit (fleet: Fleet, user: string): Promise<Array<string | null>> {
  const someone = visitor(fleet, user)
  const tokens = await someone.tokens(await someone.signIn())
  const first = await someone.whoami(tokens)
  const renewed = await someone.tokens(someone.refreshRequest(tokens))
  return [
    subjectOf(tokens.access_token),
    first,
    subjectOf(renewed.access_token),
    await someone.whoami(renewed)
  ]
}

function subjectOf (token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sub
}

async function killAtRandom (
  fleet: Fleet,
  [shortest, longest]: readonly [number, number],
  report: LoginReport,
  signal: AbortSignal
): Promise<void> {
  while (!signal.aborted) {
    await sleep(shortest + Math.random() * (longest - shortest), null, { signal }).catch(() => {})
    if (signal.aborted) return
    await fleet.restart(Math.round(Math.random()))
    report.restarts++
  }
}

export interface RacePlan {
  /** Number of codes or refresh tokens. */
  count: number
  /** Parallel requests for each. */
  tries: number
}

export interface RaceReport extends RacePlan {
  /** Responses with tokens. */
  succeeded: number
  /** Number that was used exactly once: all responses with tokens were the same. */
  once: number
  /** Responses by status and error. */
  answers: Record<string, number>
  seconds: number
}

/** Redeems each code many times at once, half of them at either instance. */
export async function runRedemptions (fleet: Fleet, plan: RacePlan): Promise<RaceReport> {
  return await race(fleet, plan, async (someone) => await someone.signIn())
}

/** Uses each refresh token many times at once, half of them at either instance. */
export async function runRefreshes (fleet: Fleet, plan: RacePlan): Promise<RaceReport> {
  return await race(
    fleet,
    plan,
    async (someone) => someone.refreshRequest(await someone.tokens(await someone.signIn()))
  )
}

async function race (
  fleet: Fleet,
  { count, tries }: RacePlan,
  prepare: (someone: Visitor) => Promise<Sent>
): Promise<RaceReport> {
  const began = performance.now()
  const report: RaceReport = { count, tries, succeeded: 0, once: 0, answers: {}, seconds: 0 }
  await inParallel(5, users(count), async (user) => {
    const sent = await prepare(visitor(fleet, user))
    const replies = await Promise.all(
      Array.from({ length: tries }, (_, index) => fleet.send(sent, index % 2))
    )
    const good = replies.filter(({ status }) => status === 200)
    report.succeeded += good.length
    // The remaining lifetimes in the responses differ.
    const tokens = new Set(good.map(({ body }) => JSON.parse(body).refresh_token))
    if (tokens.size === 1) report.once++
    for (const { status, body } of replies) {
      const name = status === 200 ? '200' : `${status} ${JSON.parse(body).error}`
      report.answers[name] = (report.answers[name] ?? 0) + 1
    }
  })
  return { ...report, seconds: secondsSince(began) }
}

function users (count: number): string[] {
  return Array.from({ length: count }, (_, index) => `user-${index + 1}`)
}

async function inParallel<T> (
  workers: number,
  items: T[],
  work: (item: T) => Promise<void>
): Promise<void> {
  await Promise.all(Array.from({ length: workers }, async () => {
    for (let item = items.shift(); item !== undefined; item = items.shift()) await work(item)
  }))
}

function secondsSince (began: number): number {
  return Math.round((performance.now() - began) / 100) / 10
}
