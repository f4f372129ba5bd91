/** How are values kept that must not be lost when the store fails? */

import { LRUCache } from 'lru-cache'
import type { Sealer } from '../crypto/sealer.ts'
import { retry } from '../http/operations.ts'
import { maxUnsavedValues, storeWriteDelaysMs } from '../limits.ts'
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

/** Values in the store, sealed. */
export type Kept = ReturnType<typeof createKept>

/** Creates the functions that keep values. Times are in seconds, `now` since 1970. */
export function createKept ({ marks, sealer, log }: {
  marks: Pick<OneTimeMarks, 'recall' | 'remember'>
  sealer: Sealer
  log: Log
}) {
  /** Values that the store did not take: the next request may come to this instance. */
  const unsaved = new LRUCache<string, Values[keyof Values]>({ max: maxUnsavedValues })

  return {
    /** Returns a value. One of another id, which a writer of the store copied, is ignored. */
    async recall<Kind extends keyof Values> (kind: Kind, id: string, now: number) {
      const sealed = await marks.recall(kind, id)
      const opened = await sealer.open(kind, sealed ?? '', now) as Values[Kind] | null
      const stored = opened?.id === id ? opened : null
      const newer = unsaved.get(id) as Values[Kind] | undefined
      return newer && (newer.generation ?? 0) >= (stored?.generation ?? 0) ? newer : stored
    },

    /** Keeps a value, in the memory of this instance if the store fails repeatedly. */
    async keep<Kind extends keyof Values> (
      kind: Kind,
      value: Values[Kind],
      lifetime: number,
      now: number
    ) {
      unsaved.set(value.id, value)
      try {
        const sealed = await sealer.seal(kind, value, lifetime, now)
        await retry(() => marks.remember(kind, value.id, sealed, lifetime), {
          delays: storeWriteDelaysMs
        })
        if (unsaved.get(value.id) === value) unsaved.delete(value.id)
      } catch (err) {
        log.warn(
          { err, kind },
          'The store did not take what it has to keep of a grant. The tokens are issued, but only ' +
            'this instance knows them, until it restarts. Check the store'
        )
      }
    }
  }
}
