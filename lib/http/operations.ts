/** How is an operation limited in time and number, and repeated until it succeeds? */
import { setTimeout as sleep } from 'node:timers/promises'
import { McpOAuthError } from '../errors.ts'
import { queueTimeoutMs } from '../limits.ts'

/**
 * Runs an operation for a limited time.
 *
 * @param operation receives a signal that is aborted when the time is up. An operation that ignores
 *   the signal continues, but its result is dropped
 * @returns the result of the operation
 * @throws the error of the operation, or that of `error()` when the time is up
 */
export async function withTimeout<T> (
  operation: (signal: AbortSignal) => T | Promise<T>,
  milliseconds: number,
  error: () => Error
): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  const timedOut = new Promise<never>((_resolve, reject) => {
    // After a pause of the whole process, responses that arrived meanwhile are read first.
    timer = setTimeout(() => {
      immediate = setImmediate(() => {
        const reason = error()
        controller.abort(reason)
        reject(reason)
      })
    }, milliseconds)
  })
  try {
    return await Promise.race([operation(controller.signal), timedOut])
  } finally {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/** Waits until a promise settles, at most for a time. Rejects if it does. */
export async function waitAtMost (promise: Promise<unknown>, milliseconds: number) {
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds).unref()
  })
  try {
    await Promise.race([promise, time])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Runs an operation, and runs it again after each delay until it succeeds.
 *
 * @param options.delays milliseconds to wait before each further attempt
 * @param options.shouldRetry whether an error is worth another attempt. Defaults to every error
 * @param options.ref whether a delay keeps the process alive. Defaults to `true`
 * @returns the result of the first attempt that succeeds
 * @throws the error of the last attempt, or the first one that `shouldRetry` rejects
 */
export async function retry<T> (
  operation: () => Promise<T>,
  { delays, shouldRetry = () => true, ref = true }: {
    delays: readonly number[]
    shouldRetry?: (error: unknown) => boolean
    ref?: boolean
  }
): Promise<T> {
  for (const delay of delays) {
    try {
      return await operation()
    } catch (error) {
      if (!shouldRetry(error)) throw error
    }
    await sleep(delay, undefined, { ref })
  }
  return await operation()
}

/** Runs an operation as soon as the limiter has room for it. */
type Limiter = <T>(operation: () => Promise<T>) => Promise<T>

/**
 * Creates a limiter that runs operations in the order in which they arrive.
 *
 * @param concurrency operations that run at the same time
 * @param queue operations that wait for their turn
 * @returns a function that throws {@link McpOAuthError} `overloaded` when the queue is full or the
 *   wait exceeds five seconds
 */
export function createLimiter (concurrency: number, queue: number): Limiter {
  const waiting = new Set<() => void>()
  let running = 0

  const waitForTurn = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      waiting.add(resolve)
      signal.addEventListener('abort', () => waiting.delete(resolve))
    })

  function startNext () {
    const [next] = waiting
    if (next === undefined) running--
    else {
      waiting.delete(next)
      next()
    }
  }

  return async (operation) => {
    if (running < concurrency) running++
    else if (waiting.size < queue) {
      await withTimeout(waitForTurn, queueTimeoutMs, () => new McpOAuthError('overloaded'))
    } else throw new McpOAuthError('overloaded')
    try {
      return await operation()
    } finally {
      startNext()
    }
  }
}
