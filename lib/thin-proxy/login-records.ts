import type { Store } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * Remembers which PKCE challenges passed the authorization endpoint, for which client and redirect
 * URI. The token endpoint adds our secret only for codes that such a request led to: a code stolen
 * elsewhere cannot be redeemed through us.
 */
export interface LoginRecords {
  issue(clientId: string, codeChallenge: string, redirectUri: string): Promise<void>
  /** Whether the request behind this challenge was made here for this client and redirect URI. */
  check(clientId: string, codeChallenge: string, redirectUri: string | undefined): Promise<boolean>
  /** Takes the ticket, in one atomic step. False when somebody else did before. */
  spend(clientId: string, codeChallenge: string): Promise<boolean>
  /**
   * Gives the ticket back, good again a second from now: the provider could not say what it thinks
   * of the code.
   */
  restore(clientId: string, codeChallenge: string): Promise<void>
}

/** Life of a ticket, in seconds. */
const lifetime = 600

export function createLoginRecords (store: Store): LoginRecords {
  return {
    issue: (clientId, codeChallenge, redirectUri) =>
      store.put(key('ticket', clientId, codeChallenge), hash(redirectUri), lifetime),
    async check (clientId, codeChallenge, redirectUri) {
      const issued = await store.get(key('ticket', clientId, codeChallenge))
      // The redirect URI may be left out (OAuth 2.1 §4.1.3): PKCE holds.
      return issued !== null && (redirectUri === undefined || issued === hash(redirectUri))
    },
    spend: async (clientId, codeChallenge) =>
      await store.putIfAbsent(key('spent', clientId, codeChallenge), '1', lifetime) === null,
    // Stores need not be able to delete. Whoever heeds our Retry-After comes back later than that.
    restore: (clientId, codeChallenge) => store.put(key('spent', clientId, codeChallenge), '1', 1)
  }
}

function key (kind: string, clientId: string, codeChallenge: string): string {
  return `mcp-oauth:${kind}:${hash(`${clientId}\n${codeChallenge}`)}`
}
