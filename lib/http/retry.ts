import { setTimeout as sleep } from 'node:timers/promises'

/**
 * When it is not worth it to ask again, and whether a pause keeps the process from ending (default:
 * yes).
 */
export interface RetryOptions {
  isFinal?: (error: unknown) => boolean
  ref?: boolean
}

/**
 * Asks, and after each of some pauses (in milliseconds) again, until there is an answer. Rejects as
 * the last attempt does.
 */
export async function retry<T> (
  pauses: readonly number[],
  ask: () => Promise<T>,
  { isFinal = () => false, ref = true }: RetryOptions = {}
): Promise<T> {
  for (const pause of pauses) {
    try {
      return await ask()
    } catch (error) {
      if (isFinal(error)) throw error
    }
    await sleep(pause, undefined, { ref })
  }
  return await ask()
}
