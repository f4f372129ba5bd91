import { webcrypto } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import promises from 'node:timers/promises'
import { synchronousCrypto } from './crypto.ts'

// A simulated clock: dates, the monotonic clock and timers. It jumps to the next timer when the
// program has nothing to do but wait for it, so that delays and timeouts take no real time.

export type Clock = ReturnType<typeof startClock>

interface Timer {
  at: number
  order: number
  run: (() => void) | undefined
}

const realDate = Date
const immediate = promises.setImmediate
/** Turns of the event loop after which a program that waits for no work has nothing to do. */
const quietTurns = 3

/** Replaces the clocks and timers of this process until `stop` is called. */
export function startClock () {
  const start = realDate.now()
  const startOfProcess = performance.now()
  const queue = createQueue()
  let elapsed = 0
  let order = 0
  let working = 0
  let rest: (() => void) | undefined

  function add (run: () => void, delay = 0) {
    const timer: Timer = { at: elapsed + Math.max(1, +delay || 1), order: order++, run }
    queue.add(timer)
    return timer
  }

  function handleOf (timer: Timer) {
    const handle = {
      timer,
      ref: () => handle,
      unref: () => handle,
      hasRef: () => false,
      refresh: () => handle,
      close: () => clear(handle)
    }
    return handle
  }

  function clear (handle: ReturnType<typeof handleOf> | undefined) {
    if (handle?.timer) handle.timer.run = undefined
  }

  function every (run: (...values: unknown[]) => void, delay: number, ...values: unknown[]) {
    const again = () => {
      handle.timer = add(again, delay)
      run(...values)
    }
    const handle = handleOf(add(again, delay))
    return handle
  }

  function sleep<T> (
    delay = 0,
    value?: T,
    { signal }: { signal?: AbortSignal } = {}
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const handle = handleOf(add(() => resolve(value), delay))
      signal?.addEventListener('abort', () => {
        clear(handle)
        reject(signal.reason)
      })
    })
  }

  const now = () => Math.floor(start + elapsed)
  class SimulatedDate extends realDate {
    constructor (...values: [] | [number]) {
      super(...values.length === 0 ? [now()] as const : values)
    }

    static override now = now
  }

  const simulated = {
    setTimeout: (run: (...values: unknown[]) => void, delay?: number, ...values: unknown[]) =>
      handleOf(add(() => run(...values), delay)),
    setInterval: every,
    clearTimeout: clear,
    clearInterval: clear
  }
  const restores = [
    replace(globalThis, { ...simulated, Date: SimulatedDate }),
    replace(timers, simulated),
    replace(promises, { setTimeout: sleep }),
    replace(performance, { now: () => startOfProcess + elapsed }),
    replace(webcrypto.subtle, { ...synchronousCrypto, ...countedCrypto() })
  ]
  syncBuiltinESMExports()

  /** Other methods of Web Crypto: their threads work in real time. */
  function countedCrypto () {
    const { subtle } = webcrypto
    const names = ['exportKey', 'generateKey', 'importKey'] as const
    return Object.fromEntries(names.map(name => {
      const method = subtle[name].bind(subtle) as (...values: unknown[]) => Promise<unknown>
      return [name, (...values: unknown[]) => work(() => method(...values))]
    }))
  }

  /** Does real work, for which the clock waits. */
  async function work<T> (run: () => Promise<T>): Promise<T> {
    working++
    try {
      return await run()
    } finally {
      working--
      if (working === 0) rest?.()
    }
  }

  /** Waits until nothing happens any more before the next timer. */
  async function quiet () {
    for (let turns = 0; turns < quietTurns; turns++) {
      await immediate()
      if (working === 0) continue
      await new Promise<void>(resolve => {
        rest = resolve
      })
      turns = -1
    }
  }

  return {
    work,
    /** Waits for simulated milliseconds. */
    sleep: (milliseconds: number) => sleep<void>(milliseconds),
    /** Simulated milliseconds since the start. */
    now: () => elapsed,
    /** Runs until a time, or until `isOver`. */
    async run (until: number, isOver = () => false) {
      for (;;) {
        await quiet()
        const timer = queue.first()
        if (timer === undefined || timer.at > until || isOver()) return
        elapsed = Math.max(elapsed, timer.at)
        queue.take()
        timer.run?.()
      }
    },
    stop () {
      for (const restore of restores) restore()
      syncBuiltinESMExports()
    }
  }
}

/** Replaces members of an object. Returns a function that restores them. */
function replace (target: object, members: object) {
  const before = Object.keys(members).map(name =>
    [name, Object.getOwnPropertyDescriptor(target, name)] as const
  )
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true })
  }
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(target, name, descriptor)
      else Reflect.deleteProperty(target, name)
    }
  }
}

/** A queue of timers (a binary heap). Cleared ones are dropped when their time comes. */
function createQueue () {
  const heap: Timer[] = []
  const isBefore = (one: Timer, other: Timer) =>
    one.at < other.at || (one.at === other.at && one.order < other.order)

  function add (timer: Timer) {
    let index = heap.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent] as Timer)) break
      heap[index] = heap[parent] as Timer
      index = parent
    }
    heap[index] = timer
  }

  function take (): Timer | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let index = 0
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      const [left, right] = [heap[child] as Timer, heap[child + 1]]
      const least = right !== undefined && isBefore(right, left) ? right : left
      if (!isBefore(least, last)) break
      heap[index] = least
      index = least === left ? child : child + 1
    }
    heap[index] = last
    return first
  }

  return {
    add,
    take,
    first () {
      while (heap[0] && heap[0].run === undefined) take()
      return heap[0]
    }
  }
}
