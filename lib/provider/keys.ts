/** With which keys does a provider sign, and which of them verifies a token? */
import type {
  CryptoKey,
  errors,
  JSONWebKeySet,
  JWTVerifyGetKey,
  JWTVerifyOptions,
  JWTVerifyResult
} from 'jose'
import { loadJose } from '../crypto/jose.ts'
import { isCanonical } from '../crypto/sealer.ts'
import { isSignatureValid } from '../crypto/verify-signature.ts'
import { escaped, failure, McpOAuthError } from '../errors.ts'
import { cached, type Cached } from '../http/cached.ts'
import type { Condition } from '../http/condition.ts'
import { fetchJson } from '../http/fetch.ts'
import {
  keysFreshSeconds,
  keysStaleSeconds,
  maxProviderKeys,
  refreshCooldownSeconds
} from '../limits.ts'
import { secretMemberOf } from '../oauth/public-keys.ts'
import type { Log } from '../types.ts'
import { present } from '../util/json.ts'

/** The public keys of an issuer. */
export type KeySet =
  & Pick<Cached<JWTVerifyGetKey>, 'get' | 'refresh' | 'peek'>
  & Partial<Cached<JWTVerifyGetKey>>

interface KeySetOptions {
  /** Returns the URL of the JWK set (RFC 7517 §5); called before every load. */
  uri: () => Promise<string | undefined>
  /** Requests the JWK set. Defaults to a request to a server that the operator configured. */
  fetch?: (url: string) => Promise<Record<string, unknown>>
  log?: Log | undefined
  /** Notes failures, in place of the log. */
  condition?: Condition | undefined
  /** Is called with the ids of keys that came and went. */
  rotated?: ((host: string, added: string[], removed: string[]) => void) | undefined
  /** In seconds. Defaults to 30. */
  cooldown?: number
  /** A clock in seconds. */
  now?: () => number
}

/**
 * Caches the keys of an issuer for ten minutes, and for another hour while they cannot be loaded.
 * `refresh()` loads at most once per cool-down, however many unknown key ids callers send.
 *
 * @returns a key set that rejects with {@link McpOAuthError} `keysUnavailable`
 */
export function createKeySet (
  { uri, fetch = fetchJson, log, condition, rotated, cooldown = refreshCooldownSeconds, now }:
    KeySetOptions
): KeySet {
  let ids: readonly string[] = []
  return cached({
    load: () => condition ? condition.watch(load) : load(),
    freshFor: keysFreshSeconds,
    staleFor: keysStaleSeconds,
    cooldown,
    now
  })

  async function load (): Promise<JWTVerifyGetKey> {
    let source = ''
    try {
      const url = await uri()
      if (url === undefined) {
        throw failure('providerMisbehaved', 'the provider metadata have no jwks_uri')
      }
      const { host, pathname } = new URL(url)
      source = ` from ${host}${pathname}`
      const set = await fetch(url)
      const listed = set.keys
      // Members that are no keys are ignored (RFC 7517 §5).
      const keys = Array.isArray(listed) ? listed.filter(key => typeof key?.kty === 'string') : []
      const problem = problemOfKeys(keys)
      if (problem) throw failure('providerMisbehaved', `the JWK set ${problem}`)
      const newer = keys.map(({ kid }) => escaped(String(kid)))
      const added = newer.filter(id => !ids.includes(id))
      const removed = ids.filter(id => !newer.includes(id))
      if (ids.length > 0 && added.length + removed.length > 0) rotated?.(host, added, removed)
      ids = newer
      return await keyGetter({ keys: keys.map(present) } as unknown as JSONWebKeySet)
    } catch (error) {
      const cause = new Error(`no keys${source}`, { cause: error })
      if (!condition) {
        const problem = 'Could not load the keys of the identity provider. Check the way to it'
        log?.warn({ err: cause }, problem)
      }
      throw new McpOAuthError('keysUnavailable', { cause })
    }
  }
}

// One secret key makes the set invalid: its publisher no longer controls what is signed.
function problemOfKeys (keys: readonly object[]) {
  if (keys.length === 0) return 'has no keys'
  if (keys.length > maxProviderKeys) return `has more than ${maxProviderKeys} keys`
  return keys.some(secretMemberOf) ? 'contains a secret' : null
}

/**
 * Several keys may match a token only if they are one key that is listed several times. If no key
 * has an id, the id of a token says nothing.
 */
async function keyGetter (set: JSONWebKeySet): Promise<JWTVerifyGetKey> {
  const { calculateJwkThumbprint, createLocalJWKSet, exportJWK } = await loadJose()
  const find = createLocalJWKSet(set)
  const haveIds = set.keys.some(({ kid }) => kid !== undefined)
  return async ({ kid, ...header }, token) => {
    try {
      return await find(haveIds ? { ...header, kid } : header, token)
    } catch (error) {
      if (codeOf(error) !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') throw error
      const keys = new Map<string, CryptoKey>()
      for await (const key of error as errors.JWKSMultipleMatchingKeys) {
        keys.set(await calculateJwkThumbprint(await exportJWK(key)), key)
      }
      const [key, other] = keys.values()
      if (key === undefined || other !== undefined) throw error
      return key
    }
  }
}

const codeOf = (error: unknown): unknown => Object(error).code

/** Whether the set has no key for a token. */
export function isUnknownKey (error: unknown) {
  return codeOf(error) === 'ERR_JWKS_NO_MATCHING_KEY'
}

type Verification = [token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions]

/** Verifies a JWT with jose. */
export async function joseVerify (...verification: Verification) {
  const { jwtVerify } = await loadJose()
  return await jwtVerify(...verification)
}

/** Verifies a JWT whose claims were checked before, and its `crit`: in this thread, if it can. */
export async function verifySignature (...verification: Verification) {
  return await isSigned(...verification) || await joseVerify(...verification)
}

/** Says nothing about a token for which it is false: jose decides. */
async function isSigned (...[token, keys, { algorithms }]: Verification) {
  const [head = '', payload = '', signature = ''] = token.split('.')
  try {
    const header = JSON.parse(Buffer.from(head, 'base64url').toString())
    const key = await keys(header, { protected: head, payload, signature })
    const bytes = Buffer.from(signature, 'base64url')
    return algorithms?.includes(header.alg) === true && isCanonical(token) &&
      isSignatureValid(header.alg, key, `${head}.${payload}`, bytes)
  } catch {
    return false
  }
}

/**
 * Verifies a JWT. If cached keys do not fit, newer ones are loaded and tried once.
 *
 * @param verify verifies the token with a set of keys. Defaults to jose
 * @throws errors of jose, and {@link McpOAuthError} `keysUnavailable`
 */
export async function verifyJwt (
  token: string,
  set: KeySet,
  options: JWTVerifyOptions,
  verify: (...given: Verification) => Promise<unknown> = joseVerify
) {
  const cached = set.peek()
  const keys = await set.get()
  try {
    await verify(token, keys, options)
  } catch (error) {
    const isNewKeyPossible = isUnknownKey(error) ||
      codeOf(error) === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
    if (keys !== cached || !isNewKeyPossible) throw error
    // If the load fails, an unknown key may still be valid, while a wrong signature remains wrong.
    const newer = await set.refresh().catch((failure) => {
      throw isUnknownKey(error) ? failure : error
    })
    if (newer === keys) throw error
    await verify(token, newer, options)
  }
}

/**
 * Verifies an assertion like {@link verifyJwt}.
 *
 * @param unavailable creates the error if the keys cannot be loaded, or may have a new key, because
 *   somebody has just named another unknown one
 */
export async function verifyAssertion (
  token: string,
  set: KeySet,
  options: JWTVerifyOptions,
  unavailable: (cause: unknown) => Error
) {
  const mayLoadKeys = set.isCoolingDown?.() !== true
  let result: JWTVerifyResult | undefined
  try {
    await verifyJwt(token, set, options, async (...given) => {
      result = await joseVerify(...given)
    })
  } catch (cause) {
    const isDown = cause instanceof McpOAuthError || (isUnknownKey(cause) && !mayLoadKeys)
    throw isDown ? unavailable(cause) : cause
  }
  return result as JWTVerifyResult
}
