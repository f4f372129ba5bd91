/** Do browsers return from the provider? */
import { lostLoginMs, manyLostLogins } from '../limits.ts'
import type { Log } from '../types.ts'

/**
 * Warns once if several logins in a row do not come back. The provider shows an unknown redirect
 * URI to the user alone.
 *
 * @param isAlone whether no other instance can receive those of this one
 */
export function createReturns (isAlone: boolean, redirectUri: () => string, log: Log) {
  let lost = 0
  let timer: NodeJS.Timeout | undefined
  function warn () {
    lost = -Infinity
    log.warn(
      { option: 'publicUrl' },
      'Logins go on to the provider, and do not come back. Look at its page: it may not know ' +
        `the redirect URI ${redirectUri()}`
    )
  }
  return {
    left () {
      if (++lost !== manyLostLogins || !isAlone) return
      timer = setTimeout(warn, lostLoginMs).unref()
    },
    returned () {
      clearTimeout(timer)
      lost = Math.min(lost, 0)
    }
  }
}
