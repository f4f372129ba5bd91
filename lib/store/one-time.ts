import { LRUCache } from 'lru-cache'
import type { Store } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * What must be remembered although everything else is sealed: what was used, what was revoked. Keys
 * are hashes, so that the store holds nothing usable.
 */
export interface OneTimeMarks {
  /**
   * Writes a value where there is none. Answers with the one that was there, null for exactly one
   * caller.
   */
  claim(kind: string, id: string, value: string, ttl: number): Promise<string | null>
  /** Uses something up. True for exactly one caller. */
  consume(kind: string, id: string, ttl: number): Promise<boolean>
  /** Undoes a `consume`. */
  release(kind: string, id: string): Promise<void>
  isConsumed(kind: string, id: string): Promise<boolean>
  /** Notes one more failure; true when it was the last one allowed. */
  fail(kind: string, id: string, allowed: number, ttl: number): Promise<boolean>
  /** Ends a grant: its access and refresh tokens. True for exactly one caller. */
  revoke(grant: string): Promise<boolean>
  /** Whether a grant was revoked, as of now. */
  hasEnded(grant: string): Promise<boolean>
  /** Whether a grant was revoked, as of at most a second ago. */
  isRevoked(grant: string): Promise<boolean>
  remember(kind: string, id: string, value: string, ttl: number): Promise<void>
  recall(kind: string, id: string): Promise<string | null>
}

/**
 * As long as the longest-lived token of a grant, in seconds; and of a machine, which has nothing
 * but access tokens.
 */
const [grantLifetime, machineLifetime] = [31 * 24 * 3600, 3600]

/**
 * The grant of a machine tells whose it is, so that what one machine ends does not push out what
 * another one did.
 */
export function machineGrant (clientId: string, id: string): string {
  return `machine.${hash(clientId)}.${id}`
}

function endOf (grant: string): { kind: string, ttl: number } {
  const [, client] = /^machine\.([\w-]{43})\./.exec(grant) ?? []
  return client === undefined
    ? { kind: 'revoked', ttl: grantLifetime }
    : { kind: `revoked-machine:${client}`, ttl: machineLifetime }
}

/**
 * What anyone can cause to be written who never signs in: pages, and codes of logins the provider
 * knows nothing of. What machines and users write, as often as they like. And what is large.
 */
const apart = [
  'consent',
  'login',
  'code',
  'code-failure',
  'replay',
  'assertion',
  'upstream',
  'revoked-machine',
  'refresh',
  'refreshing',
  'refreshed',
  'rotated'
]

/**
 * @param context keeps registrations that share a store apart
 * @param another makes a store for each of the kinds that are kept `apart`, if stores are bounded:
 *   a flood of one shall not push out another, or what was revoked. What follows a colon in a kind,
 *   as a client does, has a store of its own, too
 */
export function createOneTimeMarks (
  store: Store,
  context: string,
  another: () => Store = () => store
): OneTimeMarks {
  const own = new Map<string, Store>()
  const storeOf = (kind: string) => {
    const kept = apart.includes(kind.split(':', 1)[0] ?? '') ? own.get(kind) ?? another() : store
    if (kept !== store) own.set(kind, kept)
    return kept
  }
  const alive = new LRUCache<string, true>({ max: 10_000, ttl: 1_000 })
  const scope = hash(context).slice(0, 16)
  const keyOf = (kind: string, id: string) => `mcp-oauth:${scope}:${kind}:${hash(id)}`
  const marks: OneTimeMarks = {
    claim: (kind, id, value, ttl) => storeOf(kind).putIfAbsent(keyOf(kind, id), value, ttl),
    consume: async (kind, id, ttl) => await marks.claim(kind, id, '1', ttl) === null,
    // Stores need not be able to delete.
    release: (kind, id) => storeOf(kind).put(keyOf(kind, id), '1', 0.001),
    isConsumed: async (kind, id) => await marks.recall(kind, id) !== null,
    async fail (kind, id, allowed, ttl) {
      for (let count = 1; count <= allowed; count++) {
        if (await marks.consume(`${kind}-failure`, `${id}:${count}`, ttl)) return count === allowed
      }
      return true
    },
    async revoke (grant) {
      alive.delete(grant)
      const { kind, ttl } = endOf(grant)
      return await marks.consume(kind, grant, ttl)
    },
    hasEnded: grant => marks.isConsumed(endOf(grant).kind, grant),
    async isRevoked (grant) {
      if (alive.has(grant)) return false
      const revoked = await marks.hasEnded(grant)
      if (!revoked) alive.set(grant, true)
      return revoked
    },
    remember: (kind, id, value, ttl) => storeOf(kind).put(keyOf(kind, id), value, ttl),
    recall: (kind, id) => storeOf(kind).get(keyOf(kind, id))
  }
  return marks
}
