import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** The first message of a contender. Its tokens are used in turn. */
export interface Ready {
  url: string
  tokens: string[]
}

export interface Order {
  url: string
  seconds: number
  call: Call
  tokens: string[]
}

/** A request, beside what all requests have. */
export interface Call {
  body: string
  headers?: Record<string, string>
}

export interface Outcome {
  responses: number
  failures: number
  seconds: number
}

/**
 * Requests per second and microseconds of the server's CPU time per request, one of each per slice.
 */
export interface Measured {
  name: string
  rates: number[]
  costs: number[]
}

export interface Plan {
  /**
   * By the name to show: a file in `contenders/` without its extension, its argument, and its
   * request if that is another.
   */
  contenders: Record<string, [file: string, argument?: string, call?: Call]>
  rounds: number
  /** Seconds per slice. */
  seconds: number
  /** The request of the contenders. */
  call: Call
  /** A part of the expected response. */
  expected: string
}

interface Running extends Measured {
  process: ChildProcess
  ready: Ready
  call: Call
}

/**
 * Runs contenders in short slices that take turns, so that other work of the machine slows all of
 * them alike. Every server has a process of its own, and so has the load. The first slice of each
 * contender is a warm-up and does not count. All processes end with this function.
 */
export async function measure (
  { contenders, rounds, seconds, call: plain, expected }: Plan
): Promise<Measured[]> {
  const processes: ChildProcess[] = []
  const spawn = (file: string, argument = ''): ChildProcess => {
    const child = fork(new URL(file, import.meta.url), [argument], {
      execArgv: ['--import', 'tsx']
    })
    processes.push(child)
    return child
  }
  try {
    const load = spawn('load.ts')
    const running: Running[] = []
    for (const [name, [file, argument, call = plain]] of Object.entries(contenders)) {
      const child = spawn(`contenders/${file}.ts`, argument)
      const ready = await nextMessage<Ready>(child)
      await check(name, ready, call, expected)
      running.push({ name, process: child, ready, call, rates: [], costs: [] })
    }
    for (let round = 0; round <= rounds; round++) {
      for (const contender of running) {
        await slice(
          contender,
          load,
          { ...contender.ready, seconds, call: contender.call },
          round > 0
        )
      }
    }
    return running
  } finally {
    for (const child of processes) child.kill()
  }
}

async function slice (
  { name, process, rates, costs }: Running,
  load: ChildProcess,
  order: Order,
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
async function check (
  name: string,
  { url, tokens }: Ready,
  { body, headers: own }: Call,
  expected: string
): Promise<void> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...own
  }
  if (tokens.length > 0) headers.authorization = `Bearer ${tokens[0]}`
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  if (!text.includes(expected)) throw new Error(`${name} responded with ${response.status} ${text}`)
}

async function request<T> (child: ChildProcess, message: unknown): Promise<T> {
  child.send(message as object)
  return nextMessage<T>(child)
}

/** The next message of a child. Throws if the child ends instead. */
async function nextMessage<T> (child: ChildProcess): Promise<T> {
  const abandoned = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', abandoned).then(([message]) => message as T),
      once(child, 'exit', abandoned).then(([code]) => {
        throw new Error(`${child.spawnargs.at(-2)} ended with code ${code}`)
      })
    ])
  } finally {
    abandoned.abort()
  }
}
