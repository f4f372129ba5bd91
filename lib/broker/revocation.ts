import type { Log } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Sealer } from '../crypto/sealer.ts'
import type { ProviderLogin } from '../provider/login.ts'

/** How grants end: here, and at the provider. */
export interface Revocation {
  /**
   * Remembers which token of the provider a grant stands on: nothing of it is in an access token of
   * ours. False if the grant was ended meanwhile: then the token ends, too.
   *
   * @param lifetime seconds an access token of the grant may live
   */
  note(grant: string, token: string, lifetime: number, now: number): Promise<boolean>
  /** Whether tokens of a grant were issued lately. */
  isNoted(grant: string): Promise<boolean>
  /**
   * Ends a grant. Whether the provider follows is between us and the provider: nobody waits for it.
   *
   * @param carried what a refresh token of ours knows of the provider's token, where nothing newer
   *   is remembered
   */
  end(grant: string, now: number, carried?: string): Promise<void>
  /** Ends a token at the provider, whenever that answers. */
  endUpstream(token: string): void
}

export interface RevocationOptions {
  readonly marks: OneTimeMarks
  readonly sealer: Sealer
  readonly provider: Pick<ProviderLogin, 'revoke'>
  readonly log: Log
  /**
   * Milliseconds after which a provider, or store, that does not answer is asked again. Defaults to
   * 1, 5 and 30 seconds.
   */
  readonly pauses?: readonly number[]
}

/** What is sealed into the store: moved to the key of another grant it is worth nothing. */
interface Note {
  readonly grant: string
  readonly token: string
}

export function createRevocation (
  { marks, sealer, provider, log, pauses = [1_000, 5_000, 30_000] }: RevocationOptions
): Revocation {
  async function noted (grant: string, now: number): Promise<string | null> {
    const sealed = await marks.recall('upstream', grant)
    const note = sealed === null ? null : await sealer.open('upstream', sealed, now) as Note | null
    return note?.grant === grant ? note.token : null
  }

  function inBackground (find: () => Promise<string | null>): void {
    const revoke = async (): Promise<void> => {
      const token = await find()
      if (token !== null) await provider.revoke(token)
    }
    const shouldRetry = (error: unknown) =>
      error instanceof McpOAuthError && error.statusCode >= 500
    retry(revoke, { delays: pauses, shouldRetry, ref: false }).catch((err: unknown) =>
      log.warn({ err }, 'a grant could not be ended at the provider')
    )
  }

  return {
    async note (grant, token, lifetime, now) {
      const note: Note = { grant, token }
      await marks.remember(
        'upstream',
        grant,
        await sealer.seal('upstream', note, lifetime, now),
        lifetime
      )
      // Written first, then looked: who ends a grant does it the other way round, so one of the two
      // sees the other.
      const ended = await marks.hasEnded(grant)
      if (ended) inBackground(async () => token)
      return !ended
    },
    isNoted: grant => marks.isConsumed('upstream', grant),
    async end (grant, now, carried) {
      if (await marks.revoke(grant)) {
        inBackground(async () => await noted(grant, now) ?? carried ?? null)
      }
    },
    endUpstream: token => inBackground(async () => token)
  }
}
