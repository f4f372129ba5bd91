import { lostRotation, theftDetected } from './causes.ts'
import { createCounts, refusedFor } from './counts.ts'
import { addUser, busy, late, lateHabits, type User } from './habits.ts'
import { kinds, steal, summary, type Kind, type Theft } from './thieves.ts'
import { createWorld, type Setup } from './world.ts'

/** A month of users. */
export interface MonthSetup extends Setup {
  users: number
  /** Whether two processes of each user bring tokens which are days old. */
  late?: boolean
  /** Whether a thief copies the file of each user. Every other user, or each, is quiet. */
  robbed?: boolean | 'quiet'
  /** Days after which a thief who is not out stays. Default 10. */
  watchedDays?: number
}

export type MonthReport = Awaited<ReturnType<typeof simulateMonth>>

const defaultGraceSeconds = 600

/** Simulates a month. Returns its figures. */
export async function simulateMonth (
  t: Parameters<typeof createWorld>[0],
  { users, late: areLate = false, robbed = false, watchedDays = 10, ...setup }: MonthSetup
) {
  const world = await createWorld(t, setup)
  const counts = createCounts()
  const thefts: Array<{ isQuiet: boolean, theft: Theft }> = []
  const robbedUsers: User[] = []
  for (let index = 0; index < users; index++) {
    // A quiet user has one process, which refreshes once an hour.
    const isQuiet = robbed === 'quiet' || (robbed && index % 2 === 1)
    const habits = isQuiet ? busy.slice(0, 1) : areLate ? late : busy
    const user = addUser(world, counts, index, habits)
    if (robbed) {
      const kind = kinds[(robbed === 'quiet' ? index : index >> 1) % kinds.length] as Kind
      const { grace = defaultGraceSeconds } = setup
      const theft = steal(world, user, { kind, grace, watchedDays })
      thefts.push({ isQuiet, theft })
      robbedUsers.push(user)
    }
  }
  await world.run(() => robbed !== false && robbedUsers.every(user => user.isOver()))
  const { refreshes, repeated, repeatedLogins, refusals, logins } = counts
  const isLost = (cause: string) => cause.startsWith(lostRotation)
  const forcedLogins = refusedFor(counts, cause => !isLost(cause) && cause !== theftDetected)
  const byOthers = Object.entries(forcedLogins).filter(([habit]) => !lateHabits.includes(habit))
  const sum = (entries: Array<[string, number]>) =>
    entries.reduce((total, [, count]) => total + count, 0)
  const thievesOf = (quiet: boolean) =>
    summary(thefts.filter(({ isQuiet }) => isQuiet === quiet).map(({ theft }) => theft))
  return {
    users,
    days: setup.days,
    refreshes,
    repeated,
    repeatedLogins,
    /** Processes that had to log in, or needed the token of another one, by habit. */
    forcedLogins,
    /** The same, without the habits that bring old tokens. */
    forcedByOthers: sum(byOthers),
    /** All refused processes, by cause and habit. */
    causes: refusals,
    logins,
    /** Those of a new token of the provider that was lost before it was noted. */
    lostRotations: {
      processes: sum(Object.entries(refusedFor(counts, isLost))),
      logins: sum(Object.entries(logins).filter(([cause]) => isLost(cause)))
    },
    ...(robbed !== false &&
      { thieves: { busyUsers: thievesOf(false), quietUsers: thievesOf(true) } }),
    faults: world.events,
    provider: world.provider.counts,
    storeCommands: world.shared?.operations ?? 0
  }
}
