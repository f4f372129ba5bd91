/** With which keys did an issuer sign? */
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { failure, McpOAuthError } from '../errors.ts'
import { cached, type Cached } from '../http/cached.ts'
import { fetchJson } from '../http/fetch.ts'
import { keysFreshSeconds, keysStaleSeconds, maxProviderKeys } from '../limits.ts'
import { secretMemberOf } from '../oauth/public-keys.ts'
import type { Log } from '../types.ts'

/** The public keys of an issuer. */
export type KeySet = Cached<JWTVerifyGetKey>

/**
 * Caches the keys of an issuer for ten minutes, and for another hour while they cannot be loaded.
 * `refresh()` loads at most once in 30 s, however many unknown key ids callers send.
 *
 * @param options.uri returns the URL of the JWK set (RFC 7517 §5); called before every load
 * @param options.now a clock in seconds
 * @returns a key set that rejects with {@link McpOAuthError} `keysUnavailable`
 */
export function createKeySet (
  { uri, log, now }: { uri: () => Promise<string>, log?: Log | undefined, now?: () => number }
): KeySet {
  return cached({ load, freshFor: keysFreshSeconds, staleFor: keysStaleSeconds, now })

  async function load (): Promise<JWTVerifyGetKey> {
    let source = ''
    try {
      const url = await uri()
      const { host, pathname } = new URL(url)
      source = ` from ${host}${pathname}`
      const set = await fetchJson(url)
      const problem = problemOfKeys(set)
      if (problem) throw failure('providerMisbehaved', `the JWK set ${problem}`)
      return createLocalJWKSet(set as unknown as JSONWebKeySet)
    } catch (error) {
      const cause = new Error(`no keys${source}`, { cause: error })
      log?.warn({ err: cause }, 'Could not load the keys of the identity provider')
      throw new McpOAuthError('keysUnavailable', { cause })
    }
  }
}

// One secret key makes the set invalid: its publisher no longer controls what is signed.
function problemOfKeys ({ keys }: Readonly<Record<string, unknown>>): string | null {
  if (!Array.isArray(keys) || keys.length === 0) return 'has no keys'
  if (keys.length > maxProviderKeys) return `has more than ${maxProviderKeys} keys`
  if (!keys.every(key => typeof key?.kty === 'string')) return 'contains an invalid key'
  return keys.some(secretMemberOf) ? 'contains a secret' : null
}
