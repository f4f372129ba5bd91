/** How are values kept that must not be lost when the store fails? */

import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Sealer } from '../crypto/sealer.ts'
import { retry } from '../http/operations.ts'
import {
  lateWriteDelaysMs,
  maxUnsavedValues,
  refusedTokenMs,
  storeResetTimeoutMs,
  storeWriteDelaysMs
} from '../limits.ts'
import type { ReceivedTokens } from '../provider/tokens.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Log } from '../types.ts'
import type { Family } from './families.ts'

/** Kinds of kept values. Each has the id of its grant or code. */
export interface Values {
  /** The refresh tokens of a grant. */
  family: Family
  /** The response of the provider to a code of ours that is not redeemed yet. */
  redemption: { id: string, answer: ReceivedTokens['answer'], generation?: undefined }
}

type Value = Values[keyof Values]

/** The option max would reserve the memory of all entries at once. */
const bounds = { maxSize: maxUnsavedValues, sizeCalculation: () => 1 }

/** Values in the store, sealed. */
export type Kept = ReturnType<typeof createKept>

/** Creates the functions that keep values. Times are in seconds, `now` since 1970. */
export function createKept ({ marks, sealer, log }: {
  marks: Pick<OneTimeMarks, 'recall' | 'remember'>
  sealer: Sealer
  log: Log
}) {
  /** Values that the store did not take: the next request may come to this instance. */
  const unsaved = new LRUCache<string, Value>(bounds)

  /** Returns a value in the store. One of another id, which a writer of it copied, is ignored. */
  async function stored<Kind extends keyof Values> (kind: Kind, id: string, now: number) {
    const sealed = await marks.recall(kind, id)
    const opened = await sealer.open(kind, sealed ?? '', now) as Values[Kind] | null
    return opened?.id === id ? opened : null
  }

  return {
    /**
     * Ids of refresh tokens whose request got a 5xx here. `failedCopy` of a family says so to all
     * instances, but while the store cannot be read the family is unknown, maybe beyond the grace.
     */
    failedTokens: new LRUCache<string, true>({ ...bounds, ttl: refusedTokenMs }),

    /** Ids of codes whose tokens a request got here: the store may take their marks late. */
    redeemedCodes: new LRUCache<string, true>(bounds),

    /** Returns the newest value. */
    async recall<Kind extends keyof Values> (kind: Kind, id: string, now: number) {
      const opened = await stored(kind, id, now)
      const newer = unsaved.get(`${kind}:${id}`) as Values[Kind] | undefined
      return newer && isNewer(newer, opened) ? newer : opened
    },

    /** Keeps a value, in the memory of this instance if the store fails repeatedly. */
    async keep<Kind extends keyof Values> (
      kind: Kind,
      value: Values[Kind],
      lifetime: number,
      now: number
    ) {
      const { id } = value
      const key = `${kind}:${id}`
      unsaved.set(key, value)
      const write = async () => {
        await marks.remember(kind, id, await sealer.seal(kind, value, lifetime, now), lifetime)
        if (unsaved.get(key) === value) unsaved.delete(key)
      }
      /** Another instance, or this one, may have gone on meanwhile. */
      const writeLate = async () => {
        if (unsaved.get(key) !== value) return
        if (isNewer(value, await stored(kind, id, now))) await write()
      }
      try {
        await retry(write, { delays: storeWriteDelaysMs })
      } catch (err) {
        sleep(storeResetTimeoutMs, undefined, { ref: false })
          .then(() => retry(writeLate, { delays: lateWriteDelaysMs, ref: false }))
          .catch(() => {})
        log.warn(
          { err, kind },
          'Could not store what a grant needs next: only this instance has it, and loses it at a ' +
            'restart. Check the store'
        )
      }
    }
  }
}

/**
 * Whether a value is newer than the stored one. Of two that were issued as one generation the
 * stored one is: its instance went on from what this one had stored last.
 */
function isNewer (value: Value, other: Value | null) {
  const ahead = (value.generation ?? 0) - (other?.generation ?? 0)
  const isSame = accessTokenOf(value) === accessTokenOf(other)
  return ahead === 0 ? other === null || isSame : ahead > 0
}

/** The access token that came with the newest tokens of a family. */
function accessTokenOf (value: Value | null) {
  return value?.generation === undefined ? undefined : value.answer?.tokens.access_token
}
