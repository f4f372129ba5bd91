import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skip } from '../support/redis.ts'
import { simulateMonth } from './month.ts'
import { settings } from './settings.ts'

const setup = { seed: 7, days: 2, users: 1 } as const

function settingOf (name: string) {
  const setting = settings[name]
  assert.ok(setting, name)
  return setting
}

test(
  'POST /oauth/token forces no login of eight processes with one file [field:S2 field:S7]',
  { skip },
  async (t) => {
    const report = await simulateMonth(t, { ...settingOf('redis'), ...setup })
    assert.ok(report.refreshes > 100, `${report.refreshes} refreshes`)
    assert.equal(report.forcedByOthers, 0, JSON.stringify(report.causes))
  }
)

test("POST /oauth/token refuses only processes with old tokens, under 'refuse' [field:S2]", async (t) => {
  const setting = settingOf('store, late processes, refuse')
  const report = await simulateMonth(t, { ...setting, ...setup })
  assert.ok((report.forcedLogins['never persisted'] ?? 0) > 0, JSON.stringify(report.causes))
  assert.equal(report.forcedByOthers, 0, JSON.stringify(report.causes))
})

test('POST /oauth/token without a store forces logins for the reasons in the docs only [field:S2]', async (t) => {
  const report = await simulateMonth(t, { ...settingOf('memory'), ...setup, days: 1 })
  const known =
    /^(?:lost rotation: .+|a restart forgot the newest token|another instance has the newest token)$/
  for (const cause of Object.keys(report.causes)) assert.match(cause, known)
})

for (const onReuse of ['revoke', 'refuse'] as const) {
  const end = onReuse === 'revoke' ? 'ends the grant that' : 'refuses only the token that'
  test(`POST /oauth/token ${end} a thief uses days later [field:S2]`, async (t) => {
    const robbed = { robbed: 'quiet', users: 3, days: 8, watchedDays: 1 } as const
    const report = await simulateMonth(t, {
      ...settingOf(`thieves, ${onReuse}`),
      ...setup,
      ...robbed
    })
    const { late, 'within the grace': early } = report.thieves?.quietUsers ?? {}
    assert.equal(late?.refreshes, 0)
    assert.equal(late?.outAfterHours?.of, 1)
    assert.equal(late?.grantsEnded, onReuse === 'revoke' ? 1 : 0)
    // A thief who refreshes more often than the client makes the client's token an old one.
    assert.equal(early?.detectedByUser, 1)
    assert.equal(early?.grantsEnded, onReuse === 'revoke' ? 1 : 0)
    assert.equal(report.forcedByOthers, 0, JSON.stringify(report.causes))
  })
}
