import { cpus } from 'node:os'
import { startFleet } from './fleet.ts'
import { runLogins, runRedemptions, runRefreshes } from './runs.ts'

// npm run scale [logins] [at a time] [codes] [redemptions of each]. Needs redis-server, and two or
// three minutes. Prints a report in JSON. Exits with 1 if a login was lost or crossed, or a code or
// a refresh token was not used exactly once.

const [logins = 1000, concurrency = 50, codes = 500, tries = 20] = process.argv.slice(2).map(Number)

async function run (redis: boolean) {
  const fleet = await startFleet({ redis })
  try {
    const visits = await runLogins(fleet, { logins, concurrency, pause: [100, 1000] })
    const redemptions = await runRedemptions(fleet, { count: codes, tries })
    // Without a shared store, both processes send the refresh token to the provider, which then
    // enforces its single use.
    const refreshes = redis ? await runRefreshes(fleet, { count: codes, tries }) : null
    const good = visits.completed === logins && visits.lost === 0 && visits.crossed === 0 &&
      redemptions.succeeded === codes && redemptions.once === codes &&
      (refreshes === null || (refreshes.succeeded === codes * tries && refreshes.once === codes))
    return { good, logins: visits, redemptions, refreshes }
  } finally {
    await fleet.close()
  }
}

const reports = { 'one Redis': await run(true), 'no store at all': await run(false) }
console.log(
  JSON.stringify({ node: process.version, cpus: cpus().length, processes: 2, ...reports }, null, 2)
)
process.exitCode = Object.values(reports).every(({ good }) => good) ? 0 : 1
