/** How does a grant end, here and at the provider? */

import type { Sealer } from '../crypto/sealer.ts'
import { McpOAuthError } from '../errors.ts'
import { retry } from '../http/operations.ts'
import { accessTokenSeconds, revocationDelaysMs } from '../limits.ts'
import type { ProviderLogin } from '../provider/login.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Log } from '../types.ts'

/**
 * Creates the functions that revoke grants. `now` is in seconds since 1970.
 *
 * @param delays milliseconds before each further attempt while the provider or the store is
 *   unavailable
 */
export function createRevocation ({ marks, sealer, provider, log, delays = revocationDelaysMs }: {
  marks: OneTimeMarks
  sealer: Sealer
  provider: Pick<ProviderLogin, 'revoke'>
  log: Log
  delays?: readonly number[]
}) {
  /** A note names its grant: copied to the key of another grant it is invalid. */
  async function notedToken (grant: string, now: number) {
    const sealed = await marks.recall('upstream', grant)
    const note = await sealer.open('upstream', sealed ?? '', now)
    return note?.['grant'] === grant ? note['token'] as string : undefined
  }

  /** Revokes a token at the provider in the background: no request waits for it. */
  function revokeAtProvider (token: () => Promise<string | undefined>) {
    const revoke = async () => {
      const value = await token()
      if (value !== undefined) await provider.revoke(value)
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
     * @returns false if the grant was revoked meanwhile: then the token is revoked, too
     */
    async note (grant: string, token: string, now: number) {
      const sealed = await sealer.seal('upstream', { grant, token }, accessTokenSeconds, now)
      await marks.remember('upstream', grant, sealed, accessTokenSeconds)
      // Writes before it reads. `end` does it in the other order: one of the two sees the other.
      const ended = await marks.hasEnded(grant)
      if (ended) revokeAtProvider(async () => token)
      return !ended
    },
    /** Whether tokens of a grant were issued recently. */
    isNoted: (grant: string) => marks.isConsumed('upstream', grant),
    /**
     * Revokes a grant here at once, and at the provider in the background.
     *
     * @param carried the provider's token in a refresh token of ours. Used if none is noted
     */
    async end (grant: string, now: number, carried?: string) {
      if (await marks.revoke(grant)) {
        revokeAtProvider(async () => await notedToken(grant, now) ?? carried)
      }
    },
    /** Revokes a token at the provider in the background. */
    endUpstream: (token: string) => revokeAtProvider(async () => token)
  }
}
