/** How many operations run at once, and how many may wait for that? */
import { McpOAuthError } from '../errors.ts'
import { queueTimeoutMs } from '../limits.ts'
import { withTimeout } from './timeout.ts'

/** Runs an operation as soon as the limiter has room for it. */
export type Limiter = <T>(operation: () => Promise<T>) => Promise<T>

/**
 * Creates a limiter that runs operations in the order in which they arrive.
 *
 * @param options.concurrency operations that run at the same time
 * @param options.queue operations that wait for their turn
 * @returns a function that throws {@link McpOAuthError} `overloaded` when the queue is full or the
 *   wait exceeds five seconds
 */
export function createLimiter (
  { concurrency, queue }: { concurrency: number, queue: number }
): Limiter {
  const waiting = new Set<() => void>()
  let running = 0

  const waitForTurn = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      waiting.add(resolve)
      signal.addEventListener('abort', () => waiting.delete(resolve))
    })

  function startNext (): void {
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
