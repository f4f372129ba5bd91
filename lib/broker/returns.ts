/** Do browsers return from the provider? */
import { manyLostLogins } from '../limits.ts'
import type { Log } from '../types.ts'

/**
 * Warns once of several logins in a row that do not come back. The provider shows an unknown
 * redirect URI to the user alone.
 *
 * @param isAlone whether no other instance can receive those of this one
 */
export function createReturns (isAlone: boolean, redirectUri: () => string, log: Log) {
  let lost = 0
  return {
    left () {
      if (lost++ !== manyLostLogins || !isAlone) return
      log.warn(
        { option: 'publicUrl' },
        'Logins go on to the provider, and do not come back. Look at its page: it may not know ' +
          `the redirect URI ${redirectUri()}`
      )
    },
    returned () {
      lost = 0
    }
  }
}
