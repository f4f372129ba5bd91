/** How is an operation repeated until it succeeds? */
import { setTimeout as sleep } from 'node:timers/promises'

/** When an operation is attempted again. */
export interface RetryOptions {
  /** Milliseconds to wait before each further attempt. */
  delays: readonly number[]
  /** Whether an error is worth another attempt. Defaults to every error. */
  shouldRetry?: (error: unknown) => boolean
  /** Whether a delay keeps the process alive. Defaults to `true`. */
  ref?: boolean
}

/**
 * Runs an operation, and runs it again after each delay until it succeeds.
 *
 * @returns the result of the first attempt that succeeds
 * @throws the error of the last attempt, or the first one that `shouldRetry` rejects
 */
export async function retry<T> (
  operation: () => Promise<T>,
  { delays, shouldRetry = () => true, ref = true }: RetryOptions
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
