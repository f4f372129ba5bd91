import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from '../support/redis.ts'
import { simulateMonth } from './month.ts'

const setup = { seed: 7, days: 2, users: 1, late: true, shared: true } as const

for (const onReuse of ['revoke', 'refuse'] as const) {
  const habits = onReuse === 'revoke' ? 'that bring no old tokens' : 'but those with old tokens'
  test(
    `POST /oauth/token forces no login of processes ${habits} (${onReuse}) [field:S2 field:S7]`,
    { skip },
    async (t) => {
      const late = onReuse === 'refuse'
      const report = await simulateMonth(t, { ...setup, late, onReuse })
      assert.ok(report.refreshes > 100, `${report.refreshes} refreshes`)
      assert.equal(report.forcedByOthers, 0, JSON.stringify(report.forcedLogins))
    }
  )
}
