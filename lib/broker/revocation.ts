/** How does a grant end, here and at the provider? */

import type { Sealer } from '../crypto/sealer.ts'
import { McpOAuthError } from '../errors.ts'
import { retry } from '../http/retry.ts'
import { revocationDelaysMs } from '../limits.ts'
import type { ProviderLogin } from '../provider/login.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Log } from '../types.ts'

/** The parts of a revocation. */
interface RevocationOptions {
  marks: OneTimeMarks
  sealer: Sealer
  provider: Pick<ProviderLogin, 'revoke'>
  log: Log
  /** Milliseconds before each further attempt while the provider or the store is unavailable. */
  delays?: readonly number[]
}

/** Sealed into the store. It names its grant: copied to the key of another grant it is invalid. */
interface Note {
  readonly grant: string
  readonly token: string
}

/** Ends grants. */
export type Revocation = ReturnType<typeof createRevocation>

/** Creates the functions that revoke grants. `now` is in seconds since 1970. */
export function createRevocation (
  { marks, sealer, provider, log, delays = revocationDelaysMs }: RevocationOptions
) {
  async function notedToken (grant: string, now: number): Promise<string | null> {
    const sealed = await marks.recall('upstream', grant)
    const note = sealed === null ? null : await sealer.open('upstream', sealed, now) as Note | null
    return note?.grant === grant ? note.token : null
  }

  /** Revokes a token at the provider in the background: no request waits for it. */
  function revokeAtProvider (token: () => Promise<string | null>): void {
    const revoke = async (): Promise<void> => {
      const value = await token()
      if (value !== null) await provider.revoke(value)
    }
    const shouldRetry = (error: unknown) =>
      error instanceof McpOAuthError && error.statusCode >= 500
    retry(revoke, { delays, shouldRetry, ref: false }).catch((err: unknown) =>
      log.warn({ err }, 'Could not revoke a grant at the provider')
    )
  }

  return {
    /**
     * Notes the provider's token of a grant, because access tokens of ours need not contain it.
     *
     * @param lifetime seconds that an access token of the grant can live
     * @returns false if the grant was revoked meanwhile: then the token is revoked, too
     */
    async note (grant: string, token: string, lifetime: number, now: number): Promise<boolean> {
      const note: Note = { grant, token }
      const sealed = await sealer.seal('upstream', note, lifetime, now)
      await marks.remember('upstream', grant, sealed, lifetime)
      // Writes before it reads. `end` does it in the other order: one of the two sees the other.
      const ended = await marks.hasEnded(grant)
      if (ended) revokeAtProvider(async () => token)
      return !ended
    },
    /** Whether tokens of a grant were issued recently. */
    isNoted: (grant: string): Promise<boolean> => marks.isConsumed('upstream', grant),
    /**
     * Revokes a grant here at once, and at the provider in the background.
     *
     * @param carried the provider's token in a refresh token of ours. Used if none is noted
     */
    async end (grant: string, now: number, carried?: string): Promise<void> {
      if (await marks.revoke(grant)) {
        revokeAtProvider(async () => await notedToken(grant, now) ?? carried ?? null)
      }
    },
    /** Revokes a token at the provider in the background. */
    endUpstream: (token: string): void => revokeAtProvider(async () => token)
  }
}
