import type { ChildProcess } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { writeReport } from '../frame/report.ts'
import { nextMessage, type Ready, request } from '../frame/slices.ts'
import { start } from '../frame/start.ts'
import { costRowsOf, costTable, markdown } from '../frame/table.ts'
import type { Order } from './visitors.ts'

// node --import tsx benchmarks/broker/index.ts [--quick] [rounds] [logins per round]
//
// What does a login cost the broker, beside oidc-provider? Both issue tokens with the same
// algorithm, and keep their state in memory. The broker's provider is a process of its own, and its
// CPU time does not count. At oidc-provider the user has signed in before, and gives consent only.

const measured = {
  'login: from authorize to the code': 'login',
  'token endpoint: authorization_code': 'code',
  'token endpoint: refresh_token': 'refresh'
} as const
const whole = 'a whole login, with its tokens'
const lanes = 8

interface Contender {
  child: ChildProcess
  order: Pick<Order, 'authorize' | 'token' | 'client'>
}

/** Prints tables of medians, and writes them to `reports/bench.json`. */
export async function main (args: readonly string[]): Promise<void> {
  const isQuick = args.includes('--quick')
  const numbers = args.filter(argument => /^\d+$/.test(argument)).map(Number)
  const [rounds = isQuick ? 1 : 9, count = isQuick ? 8 : 200] = numbers
  const children: ChildProcess[] = []
  const launch = (file: string, ...args: string[]): ChildProcess => {
    const child = start(new URL(file, import.meta.url), args)
    children.push(child)
    return child
  }
  const contend = async (...args: string[]): Promise<Contender> => {
    const child = launch('server.ts', ...args)
    const { url, tokens: [client = '', token = ''] } = await nextMessage<Ready>(child)
    return { child, order: { authorize: url, client, token } }
  }
  try {
    const visitors = launch('visitors.ts')
    const { url: issuer } = await nextMessage<Ready>(launch('../scale/provider.ts'))
    const contenders = {
      'oidc-provider': await contend(),
      'this plugin': await contend(issuer)
    }
    const visit = (contender: Contender, step: Order['step'], count: number, concurrency = lanes) =>
      request<number[]>(visitors, { ...contender.order, step, count, concurrency })

    const costs: Record<string, Record<string, number[]>> = {}
    const note = (title: string, name: string, cost: number) => {
      const all = costs[title] ??= {}
      ;(all[name] ??= []).push(cost)
    }
    for (let round = -2; round < rounds; round++) {
      for (const [name, contender] of Object.entries(contenders)) {
        let sum = 0
        for (const [title, step] of Object.entries(measured)) {
          const before = await request<number>(contender.child, 'cpu')
          await visit(contender, step, count)
          const cost = (await request<number>(contender.child, 'cpu') - before) / count
          if (step !== 'refresh') sum += cost
          if (round >= 0) note(title, name, cost)
        }
        if (round >= 0) note(whole, name, sum)
        await visit(contender, 'forget', 0)
      }
    }
    for (const [title, own] of Object.entries(costs)) {
      const rows = costRowsOf(own)
      console.log(`\n### ${title}\n\n${costTable(rows)}`)
      writeReport('bench', title, { rounds, count, rows })
    }
    await compareTimes(contenders, isQuick ? 10 : 500, visit)
  } finally {
    for (const child of children) child.kill()
  }
}

/** How long logins take of which fifty go on at the same time, without the token request. */
async function compareTimes (
  contenders: Record<string, Contender>,
  count: number,
  visit: (contender: Contender, step: 'login', count: number, lanes: number) => Promise<number[]>
): Promise<void> {
  const rows = []
  for (const [name, contender] of Object.entries(contenders)) {
    await visit(contender, 'login', count / 5, 50)
    const times = (await visit(contender, 'login', count, 50)).sort((a, b) => a - b)
    const at = (part: number) => times[Math.floor(times.length * part)]?.toFixed(0) ?? ''
    rows.push([name, at(0.5), at(0.99)])
  }
  console.log(
    `\n### logins, 50 at a time\n\n${markdown(['', 'median, ms', '99th percentile, ms'], rows)}`
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2))
