/** How is a credential used once, though its request can be repeated while it fails? */

import { isRefusal } from '../errors.ts'
import { retry } from '../http/operations.ts'
import { lateWriteDelaysMs, storeWriteDelaysMs } from '../limits.ts'
import type { OneTimeMarks } from './one-time.ts'

/** A code, assertion or proof that one request may use, and the mark that says so. */
export interface SingleUse {
  marks: Pick<OneTimeMarks, 'consume' | 'isConsumed'>
  kind: string
  id: string
  /** Seconds until it is invalid in any case. */
  ttl: number
  /** Creates the error for all other requests. */
  used(): Error
}

/** Throws if another request used a credential. */
export async function assertUnused ({ marks, kind, id, used }: SingleUse): Promise<void> {
  if (await marks.isConsumed(kind, id)) throw used()
}

/**
 * Marks a credential as used, and throws for all requests but one. If the store fails, the mark is
 * written late: what the request got would be lost otherwise.
 */
export async function markUsed ({ marks, kind, id, ttl, used }: SingleUse): Promise<void> {
  const consume = () => marks.consume(kind, id, ttl)
  const isFirst = await consume().catch(() => {
    const delays = [...storeWriteDelaysMs, ...lateWriteDelaysMs]
    retry(consume, { delays, ref: false }).catch(() => {})
    return true
  })
  if (!isFirst) throw used()
}

/**
 * Runs a request, and marks its credentials as used when it is answered. It can be repeated with
 * the same ones if the store or the provider failed, or its client left.
 *
 * @param isGone says whether the client left
 * @param run calls `markNow` before it changes what only one request may change
 */
export async function useOnce<T> (
  credentials: readonly SingleUse[],
  isGone: () => boolean,
  run: (markNow: () => Promise<void>) => Promise<T>
): Promise<T> {
  let marking: Promise<unknown> | undefined
  const markNow = async () => {
    await (marking ??= Promise.all(credentials.map(markUsed)))
  }
  try {
    const result = await run(markNow)
    if (!isGone()) await markNow()
    return result
  } catch (error) {
    if (isRefusal(error) && !isGone()) await markNow().catch(() => {})
    throw error
  }
}
