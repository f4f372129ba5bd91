import { cpus } from 'node:os'
import { main as measureLogins } from './broker/index.ts'
import { writeReport } from './frame/report.ts'
import { measure } from './frame/slices.ts'
import { costRowsOf, costTable, rowsOf, table } from './frame/table.ts'
import { compare } from './guard/compare.ts'
import { plans as comparisons } from './guard/plans.ts'
import { plans } from './plans.ts'
import { main as measureStarts } from './startup/index.ts'

// npm run bench [-- --quick] [-- rounds] [seconds per slice] [part of a title]

const args = process.argv.slice(2)
const isQuick = args.includes('--quick')
const numbers = args.filter(argument => /^[\d.]+$/.test(argument)).map(Number)
const [rounds = isQuick ? 1 : 7, seconds = isQuick ? 0.3 : 1] = numbers
const part = args.find(argument => !/^[\d.]+$|^--/.test(argument)) ?? ''

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${rounds} rounds of ` +
    `${seconds} s`
)
for (const [title, contenders] of Object.entries(plans)) {
  if (!title.includes(part)) continue
  const rows = rowsOf(await measure(contenders, { rounds, length: { seconds } }))
  console.log(`\n### ${title}\n\n${table(rows)}`)
  writeReport('bench', title, { rounds, seconds, rows })
}
for (const [title, comparison] of Object.entries(comparisons)) {
  if (!title.includes(part)) continue
  const count = isQuick ? 50 : comparison.count
  const rows = costRowsOf(await compare({ ...comparison, rounds, count }))
  console.log(`\n### ${title}\n\n${costTable(rows)}`)
  writeReport('bench', title, { rounds, count, rows })
}
if ('broker: logins'.includes(part)) await measureLogins(isQuick ? ['--quick'] : [])
if ('cold start'.includes(part)) {
  console.log('\n### cold start\n')
  await measureStarts(isQuick ? ['1'] : [])
}
