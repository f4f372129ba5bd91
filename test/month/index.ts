// Simulates 30 days of users, and writes the figures as JSON: `npm run month [seed] [users]`.

import { simulateMonth, type MonthSetup } from './month.ts'

const [seed = 1, users = 15] = process.argv.slice(2).map(Number)
const common = { seed, days: 30, users, late: false, onReuse: 'revoke' } as const
const months: MonthSetup[] = [
  { ...common, shared: true },
  { ...common, shared: true, late: true },
  { ...common, shared: true, late: true, onReuse: 'refuse' },
  { ...common, shared: false },
  { ...common, shared: true, robbed: true },
  { ...common, shared: true, robbed: true, onReuse: 'refuse' }
]

for (const month of months) {
  const ends: Array<() => unknown> = []
  const context = { after: (end: () => unknown) => ends.push(end) }
  const startedAt = performance.now()
  try {
    const report = await simulateMonth(context as never, month)
    const seconds = Math.round((performance.now() - startedAt) / 1000)
    process.stdout.write(`${JSON.stringify({ seed, seconds, ...report })}\n`)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
