/** Which logins began at our authorization endpoint? */
import { loginRecordSeconds, releasedRecordSeconds } from '../limits.ts'
import type { Store } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * Records of the PKCE challenges that passed the authorization endpoint, each with its client and
 * redirect URI. The token endpoint adds our client secret only to codes of such logins. A code that
 * was stolen elsewhere cannot be redeemed through us. The kinds of the keys date from 0.1.0.
 */
export function createLoginRecords (store: Store) {
  return {
    add: (clientId: string, codeChallenge: string, redirectUri: string): Promise<void> =>
      store.put(keyOf('ticket', clientId, codeChallenge), hash(redirectUri), loginRecordSeconds),

    /**
     * Uses a record up, in one atomic step. False if no login with this challenge began here for
     * this client and redirect URI, or if the record was used before.
     */
    async consume (
      clientId: string,
      codeChallenge: string,
      redirectUri: string | undefined
    ): Promise<boolean> {
      const recorded = await store.get(keyOf('ticket', clientId, codeChallenge))
      // The redirect URI may be omitted (OAuth 2.1 §4.1.3): PKCE protects the code.
      const began = recorded !== null &&
        (redirectUri === undefined || recorded === hash(redirectUri))
      const spent = keyOf('spent', clientId, codeChallenge)
      return began && await store.putIfAbsent(spent, '1', loginRecordSeconds) === null
    },

    /**
     * Makes a used record usable again in a second: the provider could not judge the code. Stores
     * need not delete. Clients that heed our Retry-After return later than that.
     */
    release: (clientId: string, codeChallenge: string): Promise<void> =>
      store.put(keyOf('spent', clientId, codeChallenge), '1', releasedRecordSeconds)
  }
}

function keyOf (kind: 'ticket' | 'spent', clientId: string, codeChallenge: string): string {
  return `mcp-oauth:${kind}:${hash(`${clientId}\n${codeChallenge}`)}`
}
