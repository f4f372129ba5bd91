import { randomUUID } from 'node:crypto'
import type { Store } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { McpOAuthError } from '../errors.ts'

/** Milliseconds a store has for an answer. */
const deadline = 1_000

/** Failures in a row after which a store is spared, if there was no answer for a while. */
const patience = 5

/** That while, and the time between two questions to a store that is spared, in milliseconds. */
const pause = 1_000

/** Keys of one question, which lie on several servers where there are several. */
const keys = 4

/**
 * The store of the host, as we use it: whatever goes wrong with it is `storeUnavailable` (503). It
 * has a second for an answer. After five failures in a row, and no answer for a second, it is asked
 * once a second whether it is back, and nobody waits for it: a server that is busy, or loads its
 * data, gets well sooner without a storm. What is asked then are keys of our own, as callers could
 * choose theirs on the one server of several that is away. What reads and what writes are counted
 * apart, as a server that is full, or a replica, can still be read from.
 */
export function withCircuitBreaker (store: Store): Store {
  const read = createBreaker(key => store.get(key))
  const write = createBreaker(key => store.put(key, '1', 0.001))
  return {
    get: key => read(() => store.get(key)),
    put: (key, value, ttl) => write(() => store.put(key, value, ttl)),
    putIfAbsent: (key, value, ttl) => write(() => store.putIfAbsent(key, value, ttl)),
    warnings: () => read(async () => await store.warnings?.() ?? [])
  }
}

function createBreaker (
  question: (key: string) => Promise<unknown>
): <T>(operation: () => Promise<T>) => Promise<T> {
  let failures = 0
  let answered = -Infinity
  let nextQuestion = 0

  async function attempt<T> (operation: () => Promise<T>): Promise<T> {
    try {
      const answer = await withTimeout(
        deadline,
        () => new Error('the store did not answer in time'),
        operation
      )
      failures = 0
      answered = performance.now()
      return answer
    } catch (cause) {
      failures++
      throw new McpOAuthError('storeUnavailable', { cause })
    }
  }

  return async (operation) => {
    if (failures >= patience && performance.now() - answered >= pause) {
      if (performance.now() < nextQuestion) {
        throw new McpOAuthError('storeUnavailable', {
          cause: new Error('the store has failed; it is asked once a second')
        })
      }
      nextQuestion = performance.now() + pause
      await attempt(() =>
        Promise.any(
          Array.from({ length: keys }, async () =>
            await question(`mcp-oauth:question:${randomUUID()}`))
        )
      )
    }
    return await attempt(operation)
  }
}
