/** How do requests, at one instance or several, share work that must happen once? */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { failure, isRefusal, McpOAuthError } from '../errors.ts'
import { withTimeout } from '../http/operations.ts'
import {
  leasePollMs,
  leaseSeconds,
  leaseWaitMs,
  requestTimeoutMs,
  tokenRequestMs
} from '../limits.ts'
import type { Running } from '../host/closing.ts'
import type { OneTimeMarks } from '../store/one-time.ts'

/** The result of a request, or the work for it and the lease that this work needs. */
export type Step<T> = { done: T } | { lease: string, work: () => Promise<T> }

/** Whom work can wait for, and the error for requests whose time runs out meanwhile. */
const lateErrors = {
  'the store': 'storeUnavailable',
  'the provider': 'providerTimeout',
  authorizeUser: 'policyUnavailable'
} as const

/** Whom shared work waits for at the moment. */
export interface Progress {
  waitsFor: keyof typeof lateErrors
  /** Whether another instance began this work, and may still have the response of the provider. */
  isTakenOver: boolean
}

/** Runs a part of shared work that does not wait for the store. */
export async function waitFor<T> (
  progress: Progress,
  waitsFor: Progress['waitsFor'],
  part: () => T | Promise<T>
): Promise<T> {
  progress.waitsFor = waitsFor
  try {
    return await part()
  } finally {
    progress.waitsFor = 'the store'
  }
}

/**
 * Runs a part of shared work that waits for the provider.
 *
 * @throws {McpOAuthError} `requestInProgress` if the provider refuses what another instance may
 *   have used before it froze
 */
export async function askProvider<T> (progress: Progress, part: () => T | Promise<T>) {
  try {
    return await waitFor(progress, 'the provider', part)
  } catch (error) {
    if (!isRefusal(error) || !progress.isTakenOver) throw error
    throw new McpOAuthError('requestInProgress', { retryAfter: 1 })
  }
}

/**
 * Creates the function that shares work. Work goes on when its requests have given up, because a
 * late response of the provider counts. An instance that is killed loses its lease within seconds.
 *
 * @param running the app does not close while work goes on
 * @param onLate is called when a request has waited for too long
 */
export function createSingleFlight (
  { lease, extend, claim }: Pick<OneTimeMarks, 'lease' | 'extend' | 'claim'>,
  running = new Set<Running>(),
  onLate = (_waitsFor: Progress['waitsFor']) => {}
) {
  const instance = randomUUID()
  const flights = new Map<string, { work: Promise<unknown>, progress: Progress }>()

  async function fly<T> (
    holder: string,
    progress: Progress,
    next: (progress: Progress) => Promise<Step<T>>
  ): Promise<T> {
    const until = performance.now() + leaseWaitMs
    for (;;) {
      const step = await next(progress)
      if ('done' in step) return step.done
      // A lease is never given up early: a late write would give up that of another instance. The
      // next step has another lease, and the same request takes its own again.
      const takenAt = performance.now()
      if (await lease(step.lease, holder, leaseSeconds)) {
        const held = keepLease(takenAt, () => extend(step.lease, holder, leaseSeconds))
        try {
          // Another instance may have finished between the check and the lease.
          const latest = await next(progress)
          if ('done' in latest) return latest.done
          if (latest.lease !== step.lease) continue
          const first = await claim('lease-first', step.lease, instance, tokenRequestMs / 1000)
          // This process may have stood still since it took the lease.
          if (!held.isCurrent()) continue
          progress.isTakenOver = first !== instance
          return await latest.work()
        } finally {
          held.end()
        }
      }
      if (performance.now() > until) throw new McpOAuthError('requestInProgress', { retryAfter: 1 })
      await sleep(leasePollMs)
    }
  }

  function start<T> (request: string, next: (progress: Progress) => Promise<Step<T>>) {
    const progress: Progress = { waitsFor: 'the store', isTakenOver: false }
    const work = fly(`${instance}:${request}`, progress, next).finally(() => {
      flights.delete(request)
      running.delete(flight)
    })
    // By the time it fails, no request may be waiting.
    work.catch(() => {})
    const flight = { work, progress, isAwaited: true }
    flights.set(request, flight)
    running.add(flight)
    return flight
  }

  /**
   * Shares the work of identical requests, each of which waits for five seconds.
   *
   * @param request stands for the request: its parameters and the key it proves
   * @param next returns what remains to be done. Called again while another instance does it
   * @throws {McpOAuthError} `requestInProgress`, an error that names whom the work waits for, and
   *   what `next` or work throws
   */
  return async <T>(
    request: string,
    next: (progress: Progress) => Promise<Step<T>>
  ): Promise<T> => {
    const { work, progress } = flights.get(request) ?? start(request, next)
    return await withTimeout(
      () => work as Promise<T>,
      requestTimeoutMs,
      () => {
        onLate(progress.waitsFor)
        return failure(lateErrors[progress.waitsFor], `still waiting for ${progress.waitsFor}`)
      }
    )
  }
}

/** Extends a lease until it is cleared, or was lost because this process stood still. */
function keepLease (extendedAt: number, extend: () => Promise<unknown>) {
  const isCurrent = () => performance.now() - extendedAt < leaseSeconds * 1000
  const end = () => clearInterval(timer)
  const timer = setInterval(() => {
    if (!isCurrent()) return end()
    extendedAt = performance.now()
    extend().catch(() => {})
  }, leaseSeconds * 1000 / 3).unref()
  return { isCurrent, end }
}
