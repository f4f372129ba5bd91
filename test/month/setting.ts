// Simulates one setting: `setting.ts <name> <seed> <users> <days>`. Writes its figures as JSON.

import { simulateMonth, type MonthSetup } from './month.ts'
import { settings } from './settings.ts'

const [setting = '', ...numbers] = process.argv.slice(2)
const [seed = 1, users = 1, days = 30] = numbers.map(Number)
const ends: Array<() => unknown> = []
const context = { after: (end: () => unknown) => ends.push(end) }
const startedAt = performance.now()
try {
  const setup = { ...settings[setting], seed, days, users } as MonthSetup
  // Three kinds of thieves and two of users.
  if (setup.robbed) setup.users = Math.max(users, 6)
  const report = await simulateMonth(context, setup)
  for (const end of ends.splice(0).reverse()) await end()
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  process.stdout.write(`${JSON.stringify({ setting, seed, seconds, ...report })}\n`)
} finally {
  for (const end of ends.reverse()) await end()
}
process.exit()
