import { createLocalJWKSet } from 'jose'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { McpOAuthError } from '../errors.ts'
import type { Log } from '../types.ts'
import { cached } from '../http/cached.ts'
import type { Cached } from '../http/cached.ts'
import { fetchJson } from '../http/fetch.ts'
import { secretMembers } from '../oauth/public-keys.ts'

/** Where the keys of an issuer are. */
export interface KeySetOptions {
  /** Finds the URL of the JWK set (RFC 7517 §5). Asked at every load. */
  uri: () => Promise<string>
  log?: Log | undefined
  /** A clock in seconds, for `cached`. */
  now?: (() => number) | undefined
}

/**
 * The public keys of an issuer, kept for ten minutes, and for an hour more while they cannot be
 * loaded. Rejects with `McpOAuthError` `keysUnavailable`: without keys nothing can be said about a
 * token.
 */
export type KeySet = Cached<JWTVerifyGetKey>

const maxKeys = 100

/**
 * Fetches and keeps the keys of an issuer. An unknown key id is reason for one `refresh()` in 30 s.
 */
export function createKeySet ({ uri, log, now }: KeySetOptions): KeySet {
  return cached({ load, freshFor: 600, staleFor: 3_600, cooldown: 30, ...(now && { now }) })

  async function load (): Promise<JWTVerifyGetKey> {
    let place = ''
    try {
      const url = await uri()
      const { host, pathname } = new URL(url)
      place = ` from ${host}${pathname}`
      const set = await fetchJson(url)
      const problem = problemOfKeys(set)
      if (problem !== null) {
        throw new McpOAuthError('providerMisbehaved', { cause: new Error(problem) })
      }
      return createLocalJWKSet(set as unknown as JSONWebKeySet)
    } catch (error) {
      const cause = new Error(`no keys${place}`, { cause: error })
      log?.warn({ err: cause }, 'The keys of the authorization provider could not be loaded')
      throw new McpOAuthError('keysUnavailable', { cause })
    }
  }
}

// One secret in the set condemns all of it: whoever publishes one has lost control over what is
// signed with it.
function problemOfKeys ({ keys }: Readonly<Record<string, unknown>>): string | null {
  if (!Array.isArray(keys) || keys.length === 0) return 'the JWK set has no keys'
  if (keys.length > maxKeys) return `the JWK set has more than ${maxKeys} keys`
  for (const key of keys) {
    if (typeof key?.kty !== 'string') return 'the JWK set has something in it that is not a key'
    if (secretMembers.some((name) => name in key)) return 'the JWK set has a secret in it'
  }
  return null
}
