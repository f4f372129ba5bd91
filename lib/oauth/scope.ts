/** Which scopes does a text or a token name, and which are missing? */

import { causeWith, McpOAuthError } from '../errors.ts'
import { maxScopeChars, maxScopes } from '../limits.ts'

/** The error for scopes, whose names are in the log alone. */
export const invalidScope = (reason: string, scopes: readonly string[]) =>
  new McpOAuthError('invalidScope', { cause: causeWith(reason, scopes.join(' ')) })

/** Whether a text is one scope token (RFC 6749 §3.3). */
export function isScopeToken (value: unknown) {
  return typeof value === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value)
}

/** Returns the problem of a configured list of scopes as the end of a sentence, or null. */
export function problemOfScopes (scopes: unknown): string | null {
  return Array.isArray(scopes) && scopes.every(isScopeToken) ? null : 'must be a list of scopes'
}

/**
 * Splits a scope value (RFC 6749 §3.3) at any white space. Repeated scopes are returned once, in
 * the order of first mention.
 *
 * @throws {McpOAuthError} `invalidScope` for characters outside the grammar, and for too many
 *   scopes or characters
 */
export function parseScope (value: string) {
  const scopes = value.length > maxScopeChars ? [''] : value.split(/\s+/).filter(Boolean)
  if (scopes.length > maxScopes || !scopes.every(isScopeToken)) {
    throw new McpOAuthError('invalidScope')
  }
  return [...new Set(scopes)]
}

/** The scopes that the clients of a server may request. */
export interface ScopeRules {
  /** Scopes that a client may request, or `null` for any. */
  knownScopes: readonly string[] | null
  /** Scopes of a client that requests none of those. Defaults to none. */
  defaultScopes?: readonly string[]
  /** Whether others are ignored (RFC 6749 §3.3, the default) or refused. */
  unknownScopes?: 'ignore' | 'refuse'
}

/**
 * Returns the scopes of a request that the server knows, or its default scopes if there are none.
 *
 * @throws {McpOAuthError} `invalidScope` as {@link parseScope}, and for unknown scopes if those are
 *   refused
 */
export function requestedScopes (
  value: string,
  { knownScopes, defaultScopes = [], unknownScopes = 'ignore' }: ScopeRules
): readonly string[] {
  const requested = parseScope(value)
  const known = requested.filter(scope => knownScopes?.includes(scope) !== false)
  if (unknownScopes === 'refuse' && known.length < requested.length) {
    throw invalidScope('unknown scopes', requested.filter(scope => !known.includes(scope)))
  }
  return known.length > 0 ? known : defaultScopes
}

/** Results of {@link scopesOf}, which need not be read again. */
const read = new WeakSet<object>()

/**
 * Returns the scopes of a token, from `scope` (RFC 9068 §2.2.3), `scp` (Entra, Okta) and `scopes`,
 * each a string or a list of strings. Anything else grants nothing. The list is frozen.
 */
export function scopesOf (claims: Record<string, unknown>): readonly string[] {
  const scopes = Object.freeze([
    ...new Set([claims.scope, claims.scp, claims.scopes].flatMap(claim => {
      // An entry of a list is never split: that would grant scopes that the issuer did not.
      const entries: unknown = typeof claim === 'string' ? claim.split(' ') : claim
      return Array.isArray(entries) ? entries.filter(isScopeToken) as string[] : []
    }))
  ])
  read.add(scopes)
  return scopes
}

/** The scopes of a caller. A dependency may set them: they are read like those of a token. */
export const heldScopes = ({ scopes }: { scopes: readonly string[] }) =>
  read.has(scopes) ? scopes : scopesOf({ scopes })

/**
 * Returns the required scopes that are neither granted nor implied by a granted one.
 *
 * @param hierarchy the scopes that a broader scope implies; they may imply further ones
 */
export function missingScopes (
  granted: readonly string[],
  required: readonly string[],
  hierarchy: Record<string, readonly string[]> = {}
) {
  if (required.every(scope => granted.includes(scope))) return []
  // A Set visits members that are added during the walk, each once: this is transitive, and ends
  // where the hierarchy has a cycle.
  const held = new Set(granted)
  for (const scope of held) {
    if (!Object.hasOwn(hierarchy, scope)) continue
    for (const implied of hierarchy[scope] ?? []) held.add(implied)
  }
  return required.filter(scope => !held.has(scope))
}

/** The union of lists of scopes, in the order of first mention. */
export function mergeScopes (...lists: Array<readonly string[]>) {
  const merged = new Set<string>()
  for (const list of lists) for (const scope of list) merged.add(scope)
  return [...merged]
}
