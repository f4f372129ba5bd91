import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFleet } from '../../benchmarks/scale/fleet.ts'
import { runLogins, runRedemptions, runRefreshes } from '../../benchmarks/scale/runs.ts'
import { isInstalled } from '../support/daemon.ts'

// A smaller run of `npm run scale`.

for (const [shared, redis] of [['one Redis', true], ['no store at all', false]] as const) {
  test(`two processes on ${shared}`, async (t) => {
    if (
      redis && !isInstalled(t, { path: '/usr/bin/redis-server', packages: 'redis-server' })
    ) { return }
    const fleet = await startFleet({ redis })
    t.after(() => fleet.close())

    await t.test('POST /oauth/token redeems a code once for many parallel requests [T-15]', async () => {
      const report = await runRedemptions(fleet, { count: 5, tries: 20 })
      assert.deepEqual(report.answers, { 200: 5, '400 invalid_grant': 95 })
      assert.equal(report.once, 5)
    })

    if (redis) {
      await t.test('POST /oauth/token returns the same tokens for parallel refreshes [T-23]', async () => {
        const report = await runRefreshes(fleet, { count: 5, tries: 20 })
        assert.deepEqual(report.answers, { 200: 100 })
        assert.equal(report.once, 5)
      })
    }

    await t.test('logins survive a change of process at every step while processes are killed [F-16]', async () => {
      const report = await runLogins(fleet, { logins: 40, concurrency: 10, pause: [0, 200] })
      assert.deepEqual(report.problems, [])
      assert.equal(report.completed, 40)
      assert.equal(report.lost, 0)
      assert.equal(report.crossed, 0)
      assert.ok(report.restarts > 0)
    })
  })
}
