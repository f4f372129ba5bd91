import { theftDetected } from './causes.ts'
import type { Tokens, User } from './habits.ts'
import { day, hour, minute, type Answer, type World } from './world.ts'

// Thieves with a copy of a refresh token of a public client, without DPoP.

/** When a thief refreshes: a minute after the theft and hourly, days after it, or all the time. */
export const kinds = ['at once', 'late', 'within the grace'] as const

export type Kind = typeof kinds[number]

/** A theft. Times are in hours since then, and null if it did not happen. */
export interface Theft {
  kind: Kind
  /** Refreshes that worked. */
  refreshes: number
  /** When the server noticed that an old token was used. */
  detected: number | null
  /** Whether the thief used it, or a process of the user. */
  detectedBy: 'thief' | 'user' | null
  /** When the thief was refused. */
  out: number | null
  /** Whether the server ended the grant. */
  endedGrant: boolean
}

/** Lets a thief copy the file of a user. */
export function steal (
  world: World,
  user: User,
  { kind, grace, watchedDays }: { kind: Kind, grace: number, watchedDays: number }
) {
  const { clock, between } = world
  const theft: Theft = {
    kind,
    refreshes: 0,
    detected: null,
    detectedBy: null,
    out: null,
    endedGrant: false
  }
  const hoursSince = (time: number) => Math.round((clock.now() - time) / hour * 10) / 10

  async function run () {
    await user.ready
    await clock.sleep(between(0.1, 0.6) * watchedDays * day)
    let tokens = user.copy()
    const stolenAt = clock.now()
    const notice = (by: 'thief' | 'user', hasEnded: boolean) => {
      theft.detected ??= hoursSince(stolenAt)
      theft.detectedBy ??= by
      theft.endedGrant ||= hasEnded
    }
    tokens.login.theft = notice
    await clock.sleep(kind === 'late' ? between(1, 5) * day : minute)
    const until = clock.now() + watchedDays * day
    while (clock.now() < until) {
      const renewed: Tokens | Answer = await user.refresh(tokens)
      if (!('refresh' in renewed)) {
        if (renewed.reason.includes('replaced long ago')) {
          notice('thief', renewed.reason.includes('the grant has ended'))
          if (theft.endedGrant) tokens.login.endedBy ??= theftDetected
        }
        theft.out = hoursSince(stolenAt)
        break
      }
      theft.refreshes++
      tokens = renewed
      await clock.sleep(kind === 'within the grace' ? grace * 800 : between(0.8, 1.2) * hour)
    }
    // The user goes on for a day, and notices if the grant has ended.
    await clock.sleep(day)
    user.end()
  }
  run().catch(world.fail)
  return theft
}

/** The thefts of each kind in figures, with the median and the longest time. */
export function summary (thefts: readonly Theft[]) {
  const spread = (times: Array<number | null>) => {
    const known = times.filter(time => time !== null).sort((a, b) => a - b)
    if (known.length === 0) return null
    return { of: known.length, median: known[known.length >> 1], longest: known.at(-1) }
  }
  return Object.fromEntries(kinds.flatMap(kind => {
    const all = thefts.filter(theft => theft.kind === kind)
    if (all.length === 0) return []
    return [[kind, {
      thefts: all.length,
      refreshes: all.reduce((sum, { refreshes }) => sum + refreshes, 0),
      detectedAfterHours: spread(all.map(({ detected }) => detected)),
      detectedByUser: all.filter(({ detectedBy }) => detectedBy === 'user').length,
      grantsEnded: all.filter(({ endedGrant }) => endedGrant).length,
      outAfterHours: spread(all.map(({ out }) => out))
    }]]
  }))
}
