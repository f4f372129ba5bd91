import { McpOAuthError } from '../errors.ts'

/** How much is done at once, and how much may wait for it. */
export interface LimiterOptions {
  running: number
  waiting: number
}

/** Milliseconds somebody waits. */
const patience = 5_000

/**
 * Runs operations in turn, first come, first served.
 *
 * @throws {McpOAuthError} `overloaded` if too many wait, or for more than 5 seconds
 */
export function createLimiter (
  { running: maxRunning, waiting: maxWaiting }: LimiterOptions
): <T>(operation: () => Promise<T>) => Promise<T> {
  const waiting: Array<() => void> = []
  let running = 0

  function leave (): void {
    const next = waiting.shift()
    if (next) next()
    else running--
  }

  function wait (): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(next), 1)
        reject(new McpOAuthError('overloaded'))
      }, patience)
      waiting.push(next)
    })
  }

  return async (operation) => {
    if (running < maxRunning) running++
    else if (waiting.length < maxWaiting) await wait()
    else throw new McpOAuthError('overloaded')
    try {
      return await operation()
    } finally {
      leave()
    }
  }
}
