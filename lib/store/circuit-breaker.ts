/** How does an unavailable store fail fast instead of delaying every request? */
import { randomUUID } from 'node:crypto'
import { failure, McpOAuthError } from '../errors.ts'
import { createCondition, type Condition } from '../http/condition.ts'
import { withTimeout } from '../http/operations.ts'
import {
  storeFailureThreshold,
  storeProbeWaitMs,
  storeResetTimeoutMs,
  storeSlowMs,
  storeTimeoutMs
} from '../limits.ts'
import { inClientSpan } from '../telemetry/spans.ts'
import type { Store } from '../types.ts'

/** A store whose failures are noted. */
export interface WatchedStore extends Store {
  readonly condition: Condition
}

/**
 * Wraps a store with a timeout of one second and circuit breakers.
 *
 * Reads, writes and counters have a breaker each: a server that is full, or a replica, still serves
 * reads.
 *
 * @returns a store whose methods reject with {@link McpOAuthError} `storeUnavailable` (503),
 *   whatever the given store throws
 */
export function withCircuitBreaker (store: Store): WatchedStore {
  const condition = createCondition(() => true)
  // Without the key and the value: one is a hash, the other one sealed.
  const traced: Traced = breaker => (name, operation) =>
    inClientSpan(
      name,
      () => ({ 'db.system.name': store.system ?? 'custom', 'db.operation.name': name }),
      () => breaker(operation)
    )
  const read = traced(createBreaker(condition, key => store.get(key)))
  const write = traced(createBreaker(condition, key => store.put(key, '1', 0.001)))
  const { index } = store
  return {
    condition,
    get: key => read('get', () => store.get(key)),
    put: (key, value, ttl) => write('put', () => store.put(key, value, ttl)),
    putIfAbsent: (key, value, ttl) =>
      write('putIfAbsent', () => store.putIfAbsent(key, value, ttl)),
    ...store.increment && { increment: countingWith(store.increment.bind(store), traced) },
    warnings: () => read('warnings', async () => await store.warnings?.() ?? []),
    ...(index && {
      index: {
        add: (...entry) => write('index.add', () => index.add(...entry)),
        remove: (...entry) => write('index.remove', () => index.remove(...entry)),
        list: (...range) => read('index.list', () => index.list(...range))
      }
    })
  }
}

type Traced = (breaker: ReturnType<typeof createBreaker>) => <T>(
  name: string,
  operation: () => Promise<T>
) => Promise<T>

function countingWith (
  increment: NonNullable<Store['increment']>,
  traced: Traced
): typeof increment {
  // A server that refuses scripts is not reported as down.
  const count = traced(createBreaker(createCondition(() => true), key => increment(key, 0.001)))
  return (key, ttl) => count('increment', () => increment(key, ttl))
}

/**
 * Creates a breaker that opens after five failures in a row without a response for a second. While
 * it is open, operations fail at once, except that one per second sends a probe, and runs if the
 * probe succeeds. Others that come meanwhile wait for the probe, a tenth of a second: one request
 * needs several operations.
 *
 * @param probe receives a random key: a caller could choose keys on the one server of a cluster
 *   that is down, and keep the breaker open for everybody
 * @param condition notes each failure of the store
 */
function createBreaker (condition: Condition, probe: (key: string) => Promise<unknown>) {
  let failures = 0
  let respondedAt = -Infinity
  let nextProbeAt = -Infinity
  let probing: Promise<unknown> | undefined

  async function attempt<T> (operation: () => Promise<T>): Promise<T> {
    const begun = performance.now()
    const before = performance.eventLoopUtilization()
    try {
      const result = await condition.watch(() =>
        withTimeout(
          operation,
          storeTimeoutMs,
          () => new Error('the store did not respond in time')
        )
      )
      failures = 0
      respondedAt = performance.now()
      // Of a busy app all commands are late.
      if (
        respondedAt - begun > storeSlowMs &&
        performance.eventLoopUtilization(before).utilization < 0.5
      ) condition.slow(respondedAt - begun)
      return result
    } catch (cause) {
      failures++
      throw new McpOAuthError('storeUnavailable', { cause })
    }
  }

  return async <T>(operation: () => Promise<T>): Promise<T> => {
    const now = performance.now()
    if (failures >= storeFailureThreshold && now - respondedAt >= storeResetTimeoutMs) {
      const open = () =>
        failure('storeUnavailable', 'the store has failed repeatedly; it is probed once a second')
      const running = probing
      if (running) await withTimeout(() => running, storeProbeWaitMs, open)
      else if (now < nextProbeAt) throw open()
      else {
        nextProbeAt = now + storeResetTimeoutMs
        probing = attempt(() => probe(`mcp-oauth:probe:${randomUUID()}`)).finally(() => {
          probing = undefined
        })
        await probing
      }
    }
    return await attempt(operation)
  }
}
