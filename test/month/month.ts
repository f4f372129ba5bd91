import { addUser, createCounts, lateHabits, type Counts } from './habits.ts'
import { createWorld, type Setup } from './world.ts'

/** A month of users. One in a hundred is robbed by a thief of each kind, but at least one. */
export interface MonthSetup extends Setup {
  users: number
  /** Whether there are processes that bring tokens which are days old. */
  late: boolean
  robbed?: boolean
}

/** The figures of a month. */
export interface MonthReport extends Omit<MonthSetup, 'seed'>, Counts {
  logins: number
  /** Logins that processes forced which bring no old tokens. */
  forcedByOthers: number
}

/** Simulates a month. */
export async function simulateMonth (
  t: Parameters<typeof createWorld>[0],
  { users, late, robbed = false, ...setup }: MonthSetup
): Promise<MonthReport> {
  const world = await createWorld(t, setup)
  const counts = createCounts()
  for (let index = 0; index < users; index++) {
    const user = await addUser(world, counts, { late })
    if (robbed && index < Math.max(1, users / 100)) {
      user.steal('at once')
      user.steal('late')
    }
  }
  await world.run()
  const forced = Object.entries(counts.forcedLogins)
  const isLate = (habit: string) => (lateHabits as readonly string[]).includes(habit)
  return {
    days: setup.days,
    shared: setup.shared,
    onReuse: setup.onReuse,
    users,
    late,
    robbed,
    logins: world.flow.provider.count('/authorize'),
    ...counts,
    forcedByOthers: forced.reduce((sum, [habit, count]) => sum + (isLate(habit) ? 0 : count), 0)
  }
}
