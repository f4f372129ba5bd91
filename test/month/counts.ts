/** What a month counts. */
export function createCounts () {
  const counts = {
    /** Requests with a refresh token, without those of thieves. */
    refreshes: 0,
    /** Requests that were answered with a 5xx, or not at all, and repeated. */
    repeated: 0,
    /** Logins that took too long, because of a fault, and were begun again. */
    repeatedLogins: 0,
    /** Processes whose token was refused, by cause and habit. */
    refusals: {} as Record<string, Record<string, number>>,
    /** Logins, by cause. */
    logins: {} as Record<string, number>,
    refused (habit: string, cause: string) {
      const habits = counts.refusals[cause] ??= {}
      habits[habit] = (habits[habit] ?? 0) + 1
    },
    loggedIn (cause: string) {
      counts.logins[cause] = (counts.logins[cause] ?? 0) + 1
    }
  }
  return counts
}

export type Counts = ReturnType<typeof createCounts>

/** Sums up the processes that were refused, by habit, for the causes that are counted here. */
export function refusedFor ({ refusals }: Counts, isCounted: (cause: string) => boolean) {
  const sums: Record<string, number> = {}
  for (const [cause, habits] of Object.entries(refusals)) {
    if (!isCounted(cause)) continue
    for (const [habit, count] of Object.entries(habits)) sums[habit] = (sums[habit] ?? 0) + count
  }
  return sums
}
