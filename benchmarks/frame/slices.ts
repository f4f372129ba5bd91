import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { start } from './start.ts'

/** The first message of a contender. Its tokens are used in turn. */
export interface Ready {
  url: string
  tokens: string[]
}

/** A request. The URL of the contender is that of its MCP route. */
export interface Call {
  /** Default: POST. */
  method?: string
  /** What follows the URL. */
  path?: string
  headers?: Record<string, string>
  body?: string
  /** Of the response; null: that of the first one. Default: 200. */
  status?: number | null
  /** A part of the response. */
  expected?: string
}

/** How long a slice is: in seconds, or in requests. */
export type Length = { seconds: number } | { requests: number }

export interface Order {
  url: string
  length: Length
  call: Call
  tokens: string[]
}

export interface Outcome {
  responses: number
  failures: number
  seconds: number
}

/** A contender: a file in `contenders/` without its extension, its arguments, and its request. */
export interface Contender {
  file: string
  arguments?: string[]
  call: Call
  /** Whether requests have the token of the contender. Default: true. */
  sendsToken?: boolean
}

/** Contenders by the names to show. The others are compared with the first one. */
export type Contenders = Record<string, Contender>

/** Requests per second and microseconds of CPU time per request of the server, for each slice. */
export interface Measured {
  name: string
  /** Of its responses. */
  status: number
  rates: number[]
  costs: number[]
}

interface Running extends Measured {
  process: ChildProcess
  order: Order
}

/**
 * Runs contenders in short slices that take turns, so that other work of the machine slows all of
 * them alike. Every server has a process of its own, and so has the load. Contenders with the same
 * file and arguments share one. The first slice of each contender is a warm-up and does not count.
 */
export async function measure (
  contenders: Contenders,
  { rounds, length }: { rounds: number, length: Length }
): Promise<Measured[]> {
  const processes = new Map<string, ChildProcess>()
  const readies = new Map<ChildProcess, Ready>()
  const spawn = (file: string, args: readonly string[] = []): ChildProcess => {
    const key = JSON.stringify([file, args])
    const child = processes.get(key) ??
      start(new URL(file, import.meta.url), args)
    processes.set(key, child)
    return child
  }
  try {
    const load = spawn('load.ts')
    const running: Running[] = []
    for (const [name, contender] of Object.entries(contenders)) {
      const { file, arguments: args, call, sendsToken = true } = contender
      const child = spawn(`../contenders/${file}.ts`, args)
      const { url, tokens } = readies.get(child) ?? await nextMessage<Ready>(child)
      readies.set(child, { url, tokens })
      const order = { url, length, call, tokens: sendsToken ? tokens : [] }
      const status = await check(name, order)
      order.call = { ...call, status }
      running.push({ name, process: child, order, status, rates: [], costs: [] })
    }
    for (let round = 0; round <= rounds; round++) {
      for (const contender of running) await slice(contender, load, round > 0)
    }
    return running.map(({ name, status, rates, costs }) => ({ name, status, rates, costs }))
  } finally {
    for (const child of processes.values()) child.kill()
  }
}

/** Profiles a contender in a slice that follows a warm-up. */
export async function profile (contender: Contender, length: Length): Promise<unknown> {
  const [child, load] = [`../contenders/${contender.file}.ts`, 'load.ts'].map(file =>
    start(new URL(file, import.meta.url), contender.arguments)
  ) as [ChildProcess, ChildProcess]
  try {
    const { url, tokens } = await nextMessage<Ready>(child)
    await request(load, { url, length, call: contender.call, tokens })
    await request(child, 'profile')
    await request(load, { url, length, call: contender.call, tokens })
    return await request(child, 'end of the profile')
  } finally {
    for (const process of [child, load]) process.kill()
  }
}

async function slice (
  { name, process, order, rates, costs }: Running,
  load: ChildProcess,
  counts: boolean
): Promise<void> {
  const before = await request<number>(process, 'cpu')
  const { responses, failures, seconds } = await request<Outcome>(load, order)
  const used = await request<number>(process, 'cpu') - before
  if (failures > 0 || responses === 0) {
    throw new Error(`${name}: ${failures} of ${responses + failures} requests failed`)
  }
  if (!counts) return
  rates.push(responses / seconds)
  costs.push(used / responses)
}

/** Rejects a contender with a wrong response, whose speed would mean nothing. */
export async function check (name: string, { url, call, tokens }: Order): Promise<number> {
  const { method = 'POST', path = '', headers, body, status = 200, expected = '' } = call
  const response = await fetch(url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(tokens.length > 0 && { authorization: `Bearer ${tokens[0]}` }),
      ...headers
    },
    ...(body !== undefined && { body })
  })
  const text = await response.text()
  if (response.status !== (status ?? response.status) || !text.includes(expected)) {
    throw new Error(`${name}: ${response.status} ${text.slice(0, 500)}`)
  }
  return response.status
}

/** Sends a child a message, and resolves to its next one. */
export async function request<T> (child: ChildProcess, message: unknown): Promise<T> {
  child.send(message as object)
  return nextMessage<T>(child)
}

/** The next message of a child. Throws if the child ends instead. */
export async function nextMessage<T> (child: ChildProcess): Promise<T> {
  const abandoned = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', abandoned).then(([message]) => message as T),
      once(child, 'exit', abandoned).then(([code]) => {
        throw new Error(`${child.spawnargs.slice(-2).join(' ')} ended with code ${code}`)
      })
    ])
  } finally {
    abandoned.abort()
  }
}
