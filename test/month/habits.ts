import { redeem, renew, type Instance } from '../support/flow.ts'
import { day, hour, minute, type World } from './world.ts'

// Users, each with processes that share one file of credentials, and thieves with a copy of it.

class Unavailable extends Error {}

interface Tokens {
  refresh: string
  /** When the access token ends, in seconds from the start of the month. */
  until: number
}

/** What a month counts. */
export function createCounts () {
  return {
    /** Answered requests with a refresh token. */
    refreshes: 0,
    /** Requests that were answered with a 5xx and repeated. */
    repeated: 0,
    /** Logins that a user had to repeat, by the habit of the process that needed one. */
    forcedLogins: {} as Record<string, number>,
    thieves: [] as Thief[]
  }
}

export type Counts = ReturnType<typeof createCounts>

/** A thief, with times in hours since the theft. */
interface Thief {
  kind: 'at once' | 'late'
  refreshes: number
  /** When the thief was refused, or null if not before the end of the month. */
  outAfter: number | null
  /** Whether the grant of the user ended, too. */
  endedGrant: boolean
}

/** Habits that bring a token which is days old. */
export const lateHabits = ['four days late', 'never persisted'] as const

const habits = [
  'reads the file',
  'sleeps 7 m 45 s',
  'five at once',
  'killed in mid-refresh'
] as const

export type Habit = typeof habits[number] | typeof lateHabits[number]

/** Adds a user with eight processes. */
export async function addUser (world: World, counts: Counts, { late }: { late: boolean }) {
  const { flow, at, now, between } = world
  const client = await flow.register()
  let file: Tokens

  /** Sends a token request. Returns null if the user has to log in. */
  async function request (params: Parameters<Instance['token']>[0]): Promise<Tokens | null> {
    const reply = await world.instance().token(params)
    if (reply.status >= 500) {
      counts.repeated++
      throw new Unavailable()
    }
    if (reply.status !== 200) return null
    const { refresh_token: next, expires_in: seconds } = reply.json()
    return { refresh: next, until: now() + seconds }
  }

  function refresh (token: string) {
    counts.refreshes++
    return request(renew(client, token))
  }

  /** Refreshes with a token, and with that of the file, and logs in if neither works. */
  async function renewFrom (token: string, habit: Habit): Promise<Tokens> {
    const renewed = await refresh(token)
    if (renewed !== null) return renewed
    counts.forcedLogins[habit] = (counts.forcedLogins[habit] ?? 0) + 1
    const other = token === file.refresh ? null : await refresh(file.refresh)
    return other ?? await logIn()
  }

  async function logIn (): Promise<Tokens> {
    for (;;) {
      const at = [world.instance(), world.instance(), world.instance()]
      const tokens = await request(redeem(client, await flow.login(client, { at })))
      if (tokens !== null) return tokens
    }
  }

  /** Runs something, and again a minute later while the server is unavailable. */
  function attempt (time: number, run: () => Promise<void>) {
    at(time, async () => {
      try {
        await run()
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        attempt(now() + minute, run)
      }
    })
  }

  const actions: Record<Habit, (own: Tokens) => Promise<[next: Tokens, wake: number]>> = {
    async 'reads the file' () {
      if (file.until - now() < 5 * minute) file = await renewFrom(file.refresh, 'reads the file')
      return [file, Math.max(now() + minute, file.until - between(0, 5) * minute)]
    },
    async 'sleeps 7 m 45 s' () {
      const { refresh } = file
      attempt(now() + 7 * minute + 45, async () => {
        file = await renewFrom(refresh, 'sleeps 7 m 45 s')
      })
      return [file, now() + between(0.5, 3) * hour]
    },
    async 'five at once' () {
      const { refresh } = file
      const all = await Promise.all(
        Array.from({ length: 5 }, () => renewFrom(refresh, 'five at once'))
      )
      file = all.at(-1) as Tokens
      return [file, now() + between(2, 9) * hour]
    },
    async 'killed in mid-refresh' () {
      // The response is lost, and the file still has the old token.
      const { refresh: token } = file
      await refresh(token)
      attempt(now() + between(1, 300), async () => {
        file = await renewFrom(token, 'killed in mid-refresh')
      })
      return [file, now() + between(3, 20) * hour]
    },
    async 'four days late' (own) {
      await renewFrom(own.refresh, 'four days late')
      return [file, now() + 4 * day]
    },
    async 'never persisted' (own) {
      await renewFrom(own.refresh, 'never persisted')
      return [own, now() + day]
    }
  }

  function wake (habit: Habit, own: Tokens, time: number) {
    attempt(time, async () => {
      const [next, later] = await actions[habit](own)
      wake(habit, next, later)
    })
  }

  attempt(between(0, 2) * hour, async () => {
    file = await logIn()
    const processes: Habit[] = [...habits, ...habits]
    if (late) processes.push(...lateHabits)
    for (const habit of processes) {
      wake(
        habit,
        file,
        habit === 'four days late' ? now() + 4 * day : now() + between(0, 50) * minute
      )
    }
  })

  return {
    /** Copies the file at some time. The thief refreshes at once, or days later. */
    steal (kind: Thief['kind']) {
      at(between(1, 0.5 * world.days * 24) * hour, async () => {
        const { refresh: token } = file
        const stolenAt = now()
        const thief: Thief = { kind, refreshes: 0, outAfter: null, endedGrant: false }
        counts.thieves.push(thief)
        const use = (held: string, time: number) => {
          at(time, async () => {
            const reply = await world.instance().token(renew(client, held))
            if (reply.status >= 500) return use(held, now() + minute)
            if (reply.status !== 200) {
              thief.outAfter = Math.round((now() - stolenAt) / hour)
              thief.endedGrant = await refresh(file.refresh) === null
              return
            }
            thief.refreshes++
            use(reply.json()['refresh_token'], now() + between(0.8, 1.2) * hour)
          })
        }
        use(token, kind === 'late' ? now() + between(1, 5) * day : now() + minute)
      })
    }
  }
}
