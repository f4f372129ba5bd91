/** How does a grant end, here and at the provider? */

import { McpOAuthError } from '../errors.ts'
import { retry } from '../http/operations.ts'
import {
  accessTokenSeconds,
  refreshAbsoluteSeconds,
  revocationDelaysMs,
  tokenSkewSeconds
} from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { ProviderLogin } from '../provider/login.ts'
import { machineOf, type OneTimeMarks } from '../store/one-time.ts'
import type { TokenOwner } from '../store/revocations.ts'
import type { Log } from '../types.ts'
import { hash } from '../util/hash.ts'
import type { Upstream } from './families.ts'
import type { Kept } from './kept.ts'

/** Stands for a session at the provider, in tokens and keys. */
export const sessionOf = (sid: string) => hash(`sid ${sid}`).slice(0, 22)

/** Stands for the logins of a user whose sessions are not known. */
export const userWithoutSession = (subject: string) => `user ${subject}`

/**
 * Returns what a token of ours has in common with others, and when its login began: its own time
 * may be later than that of a revocation which its request did not see.
 *
 * @param token.since in seconds since 1970. Tokens of version 0.1.0 do not say it
 */
export function ownerOf (
  { backchannelLogout }: Pick<Config, 'backchannelLogout'>,
  client: string,
  { subject, since = 0, session = userWithoutSession(subject) }: {
    subject: string
    since?: number | undefined
    session?: string | undefined
  }
): TokenOwner & { at: number } {
  const at = Math.round(since * 1000)
  return { subject, client, ...(backchannelLogout && { session }), at }
}

/**
 * Creates the functions that revoke grants. `now` is in seconds since 1970.
 *
 * @param delays milliseconds before each further attempt while the provider or the store is
 *   unavailable
 */
export function createRevocation (
  { marks, kept, provider, lifetimes, log, delays = revocationDelaysMs }: {
    marks: Pick<OneTimeMarks, 'revoke' | 'consume'>
    kept: Pick<Kept, 'recall'>
    provider: Pick<ProviderLogin, 'revoke'>
    lifetimes: Pick<Config['lifetimes'], 'access' | 'refreshAbsolute'>
    log: Log
    delays?: readonly number[]
  }
) {
  /** Revokes a token at the provider in the background: no request waits for it. */
  function revokeLater (find: () => Promise<Upstream>) {
    const revoke = async () => {
      const { access, refresh = access } = await find()
      if (refresh !== undefined) await provider.revoke(refresh)
    }
    const shouldRetry = (error: unknown) =>
      error instanceof McpOAuthError && error.statusCode >= 500
    retry(revoke, { delays, shouldRetry, ref: false }).catch((err: unknown) =>
      log.warn({ err }, 'Could not revoke a grant at the provider')
    )
  }

  return {
    /**
     * Revokes a grant here at once, and at the provider in the background.
     *
     * @param carried the provider's token in a token of ours. Used if no newer one is known
     */
    async revokeGrant (grant: string, now: number, carried: Upstream = {}) {
      const isMachine = machineOf(grant) !== undefined
      // Tokens that were issued before the lifetimes were reduced live longer.
      const longest = isMachine
        ? Math.max(lifetimes.access, accessTokenSeconds)
        : Math.max(lifetimes.access, lifetimes.refreshAbsolute, refreshAbsoluteSeconds)
      await marks.revoke(grant, longest + tokenSkewSeconds)
      if (isMachine) return
      let isFirst: boolean | undefined
      revokeLater(async () => {
        // A mark of its own: the revocation may be a late one of a request that failed.
        isFirst ??= await marks.consume('ended', grant, accessTokenSeconds).catch(() => true)
        if (!isFirst) return {}
        return (await kept.recall('family', grant, now))?.upstream ?? carried
      })
    },
    /** Revokes a token at the provider in the background. */
    revokeAtProvider: (token: Upstream) => revokeLater(async () => token)
  }
}
