import type { ChildProcess } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { nextMessage, request } from '../frame/slices.ts'
import { start } from '../frame/start.ts'

/** The order to the process that sends requests. */
export interface Order {
  port: number
  /** Complete HTTP/1.1 requests, which are sent in turn. */
  requests: string[]
  count: number
}

/** A comparison of the CPU time of servers. */
export interface Comparison {
  /** By the name to show: the file of a server, and its argument. */
  contenders: Record<string, [file: URL, argument: string]>
  rounds: number
  /** Requests of each contender in each round. */
  count: number
}

/** Microseconds of CPU time per request (user and system, all threads), one per round. */
export type Costs = Record<string, number[]>

/**
 * Serves as a contender: it tells its port and its requests, and its CPU time in microseconds when
 * asked.
 *
 * @param requests returns the requests of the next slice. Its CPU time does not count
 */
export function contend (
  address: AddressInfo | string | null,
  requests: (count: number) => string[] | Promise<string[]>
): void {
  process.on('message', async (count: number) => {
    if (count > 0) {
      process.send?.({ port: Object(address).port, requests: await requests(count), count })
    } else {
      const { user, system } = process.cpuUsage()
      process.send?.(user + system)
    }
  })
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

/** The bytes of a request. */
export function bytesOf (
  line: string,
  headers: Record<string, string>,
  body = ''
): string {
  const all = {
    host: 'localhost',
    ...headers,
    ...(body !== '' && { 'content-length': String(Buffer.byteLength(body)) })
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

/**
 * Lets contenders serve the same number of requests in turns. Each has a process of its own, and so
 * has the load. The first two rounds are a warm-up.
 */
export async function compare ({ contenders, rounds, count }: Comparison): Promise<Costs> {
  const children: ChildProcess[] = []
  const launch = (file: URL, argument: string): ChildProcess => {
    const child = start(file, [argument])
    children.push(child)
    return child
  }
  const costs: Costs = {}
  const seen: Record<string, object> = {}
  try {
    const load = launch(new URL('load.ts', import.meta.url), '')
    const running = []
    for (const [name, [file, argument]] of Object.entries(contenders)) {
      const child = launch(file, argument)
      await nextMessage(child)
      running.push({ name, child })
      costs[name] = []
    }
    for (let round = -2; round < rounds; round++) {
      for (const { name, child } of running) {
        const order = await request<Order>(child, count)
        const before = await request<number>(child, 0)
        seen[name] = await request<object>(load, order)
        const used = await request<number>(child, 0) - before
        if (round >= 0) costs[name]?.push(used / count)
      }
    }
    for (const [name, statuses] of Object.entries(seen)) {
      if (Object.keys(statuses).length > 1) {
        throw new Error(`${name}: ${JSON.stringify(statuses)}`)
      }
    }
    return costs
  } finally {
    for (const child of children) child.kill()
  }
}
