import type { ChildProcess } from 'node:child_process'
import { echoCall } from '../frame/calls.ts'
import { writeReport } from '../frame/report.ts'
import { type Call, check, nextMessage, type Ready, request } from '../frame/slices.ts'
import { start } from '../frame/start.ts'
import { costRowsOf, format, markdown } from '../frame/table.ts'
import { bytesOf } from '../guard/compare.ts'
import { big, broker, small, withoutToken } from './calls.ts'

// npm run bench:hostile [-- --quick]: which requests of a caller, or of nobody, cost the most? Each
// takes turns with a good call whose body has the same size. The servers have a thousand tools.

type Way = 'server' | 'tools' | 'broker'
type Server = Ready & { child: ChildProcess }

const isQuick = process.argv.includes('--quick')
const rounds = isQuick ? 1 : 5
let number = 0
const groups: Record<string, Array<[way: Way, calls: Record<string, Call>, sendsToken: boolean]>> =
  {
    small: [
      ['server', small, true],
      ['server', withoutToken, false],
      ['tools', small, true],
      ['broker', broker, false]
    ],
    large: [['server', big, true], ['tools', big, true]]
  }

const children: ChildProcess[] = []
const launch = (file: string, ...args: string[]): ChildProcess => {
  const child = start(new URL(file, import.meta.url), args)
  children.push(child)
  return child
}
try {
  const load = launch('../guard/load.ts')
  const servers = {} as Record<Way, Server>
  for (const way of ['server', 'tools', 'broker'] as const) {
    const child = launch('../contenders/hostile.ts', way)
    servers[way] = { child, ...await nextMessage<Ready>(child) }
  }
  for (const [size, rows] of Object.entries(groups)) await compareAll(load, servers, size, rows)
} finally {
  for (const child of children) child.kill()
}

async function compareAll (
  load: ChildProcess,
  servers: Record<Way, Server>,
  size: string,
  kinds: typeof groups[string]
): Promise<void> {
  const count = isQuick ? 16 : size === 'small' ? 160 : 64
  const rows = []
  for (const [way, calls, sendsToken] of kinds) {
    // The broker has no tools.
    const good = servers[way === 'broker' ? 'server' : way]
    await slice(load, good, echoCall(), good.tokens, isQuick ? 16 : 3_000)
    for (const [title, call] of Object.entries(calls)) {
      const tokens = sendsToken ? servers[way].tokens : []
      const costs: Record<string, number[]> = { good: [], hostile: [] }
      const name = `${way}: ${title}`
      const { url } = servers[way]
      const order = { url, length: { requests: count }, call: { ...call, status: null }, tokens }
      const status = await check(name, order)
      const length = (call.body ?? '').length - (echoCall().body ?? '').length
      const base = echoCall('legacy', 'x'.repeat(Math.max(5, length)))
      for (let round = -1; round < rounds; round++) {
        const cost = await slice(load, good, base, good.tokens, count)
        const own = await slice(load, servers[way], { ...call, status }, tokens, count)
        if (round < 0) continue
        costs['good']?.push(cost)
        costs['hostile']?.push(own)
      }
      const [, row] = costRowsOf(costs)
      if (row !== undefined) rows.push({ ...row, name, status })
    }
  }
  rows.sort((a, b) => b.cpuRatio.median - a.cpuRatio.median)
  const cells = rows.map(({ name, status, cpu, cpuRatio }) => [
    name,
    String(status),
    format(cpu.median),
    cpuRatio.median.toFixed(1)
  ])
  console.log(`\n${markdown([`${size} requests`, 'status', 'CPU µs', '× a valid call'], cells)}`)
  writeReport('hostile', size, { rounds, count, rows })
}

/** Sends requests, and returns the CPU time that one of them costs the server. */
async function slice (
  load: ChildProcess,
  { child, url }: Server,
  { method = 'POST', path = '', headers = {}, body = '', status = 200 }: Call,
  [token]: readonly string[],
  count: number
): Promise<number> {
  const { port, pathname } = new URL(url)
  const line = `${method} ${pathname === '/' ? path : pathname + path}`
  const all = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...headers
  }
  const requests = Array.from(
    { length: body.includes('$n') ? count : 1 },
    () => bytesOf(line, all, body.replaceAll('$n', String(number++)))
  )
  const before = await request<number>(child, 'cpu')
  const statuses = await request<object>(load, { port: Number(port), requests, count })
  const used = await request<number>(child, 'cpu') - before
  if (Object.keys(statuses).some(seen => Number(seen) !== status)) {
    throw new Error(`${line}: ${JSON.stringify(statuses)} instead of ${status}`)
  }
  return used / count
}
