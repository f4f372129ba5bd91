import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { writeReport } from '../frame/report.ts'
import { markdown, statistics } from '../frame/table.ts'

// npm run build && node --import tsx benchmarks/startup/index.ts [--quick] [rounds]
//
// What does a cold start cost? Each start is a new process of the built package, up to `ready()`.

/** By the name to show. The others are compared with the first one of their round. */
const contenders = {
  'Fastify with one route': 'bare',
  'the SDK alone, beside it': 'sdk-alone',
  'this plugin, resource server': 'resource',
  'this plugin, broker': 'broker',
  'this plugin, thin proxy': 'thin',
  'this plugin, `mcp.tools`': 'tools',
  'this plugin, `mcp.server` of the SDK': 'sdk'
}

interface Start {
  /** Milliseconds of CPU time, user and system, of all threads. */
  cpu: number
  /** Resident set size, in MB. */
  memory: number
}

const { NODE_COMPILE_CACHE: _, ...env } = process.env

async function start (contender: string): Promise<Start> {
  const child = fork(join(import.meta.dirname, 'app.js'), [contender], { execArgv: [], env })
  const end = once(child, 'exit')
  const [message] = await Promise.race([once(child, 'message'), end])
  child.kill()
  await end
  if (typeof message !== 'object') throw new Error(`${contender} ended with code ${message}`)
  return message as Start
}

/** Prints a table of medians, and writes it to `reports/startup.json`. */
export async function main (args: readonly string[]): Promise<void> {
  const [given] = args.filter(argument => /^\d+$/.test(argument)).map(Number)
  const rounds = given ?? (args.includes('--quick') ? 2 : 11)
  const starts: Start[][] = Object.keys(contenders).map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of Object.values(contenders).entries()) {
      starts[index]?.push(await start(contender))
    }
  }
  const bare = starts[0] ?? []
  const rows = Object.keys(contenders).map((name, index) => {
    const own = starts[index] ?? []
    const compared = (member: keyof Start, compare: (value: number, bare: number) => number) =>
      statistics(own.map((start, round) => compare(start[member], bare[round]?.[member] ?? NaN)))
    return {
      name,
      cpu: statistics(own.map(({ cpu }) => cpu)),
      cpuOverBare: compared('cpu', (value, bare) => value - bare),
      cpuRatio: compared('cpu', (value, bare) => value / bare),
      memory: statistics(own.map(({ memory }) => memory)),
      memoryOverBare: compared('memory', (value, bare) => value - bare)
    }
  })
  const text = (
    { median, min, max }: ReturnType<typeof statistics>,
    digits = 0
  ) => `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
  console.log(
    `Node ${process.version}, ${rounds} starts of each, in turn\n\n` + markdown(
      ['', 'CPU ms', 'over bare', '× bare', 'RSS MB', 'over bare'],
      rows.map(({ name, cpu, cpuOverBare, cpuRatio, memory, memoryOverBare }) => [
        name,
        text(cpu),
        text(cpuOverBare),
        text(cpuRatio, 2),
        text(memory),
        text(memoryOverBare, 1)
      ])
    )
  )
  writeReport('startup', 'cold start', { rounds, rows })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2))
