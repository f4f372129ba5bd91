import { McpOAuthError } from '../errors.ts'

/** How much is done at once, and how much may wait for it. */
export interface TurnsOptions { running: number, waiting: number }

/**
 * Hands out turns, first come, first served. Who has one must leave.
 *
 * @throws {McpOAuthError} `overloaded` if too many wait
 */
export function createTurns ({ running: maxRunning, waiting: maxWaiting }: TurnsOptions): () => Promise<() => void> {
  const waiting: Array<() => void> = []
  let running = 0

  function leave (): void {
    const next = waiting.shift()
    if (next) next()
    else running--
  }

  return async () => {
    if (running < maxRunning) running++
    else if (waiting.length < maxWaiting) await new Promise<void>(resolve => { waiting.push(resolve) })
    else throw new McpOAuthError('overloaded')
    return leave
  }
}
