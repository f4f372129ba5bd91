import { McpOAuthError } from '../errors.ts'

const token = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** Most scopes one value may name. */
const maxScopes = 100

/** Longest scope value, in characters. */
const maxLength = 2048

/** Whether a string is one scope token (RFC 6749 §3.3). */
export function isScopeToken (value: string): boolean {
  return token.test(value)
}

/**
 * What is wrong with the scopes somebody wrote down, as an end of a sentence, or `null` if nothing
 * is.
 */
export function problemOfScopes (scopes: unknown): string | null {
  return Array.isArray(scopes) &&
      scopes.every(scope => typeof scope === 'string' && isScopeToken(scope))
    ? null
    : 'must be a list of scopes'
}

/**
 * Splits a scope value (RFC 6749 §3.3); repeated scopes are kept once, in the order of first
 * mention. The empty string has none. Throws `invalidScope` for anything outside the grammar
 * (surrounding or doubled spaces included), more than 100 scopes or 2048 characters.
 */
export function parseScope (value: string): string[] {
  if (value === '') return []
  if (value.length > maxLength) throw new McpOAuthError('invalidScope')
  const scopes = value.split(' ')
  if (scopes.length > maxScopes || !scopes.every(isScopeToken)) {
    throw new McpOAuthError('invalidScope')
  }
  return [...new Set(scopes)]
}

/** Joins scopes to a scope value. */
export function formatScope (scopes: readonly string[]): string {
  return scopes.join(' ')
}

/**
 * The scopes a token was given, from `scope` (RFC 9068 §2.2.3), `scp` (Entra, Okta) and `scopes`;
 * each a string or a list of strings. Anything else grants nothing.
 */
export function scopesOf (claims: Readonly<Record<string, unknown>>): string[] {
  return [...new Set([claims['scope'], claims['scp'], claims['scopes']].flatMap(scopesIn))]
}

function scopesIn (claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter(isScopeToken)
  // An entry with a space in it is not one scope, and to split it would grant what no one wrote.
  return Array.isArray(claim)
    ? claim.filter((entry): entry is string => typeof entry === 'string' && isScopeToken(entry))
    : []
}

/** Which scopes a broader scope implies; implied scopes may imply further ones. */
export type ScopeHierarchy = Readonly<Record<string, readonly string[]>>

/**
 * The scopes of `required` that neither are granted nor follow from a granted one, in their order.
 */
export function missingScopes (
  granted: readonly string[],
  required: readonly string[],
  hierarchy: ScopeHierarchy = {}
): string[] {
  if (required.every((scope) => granted.includes(scope))) return []
  // A Set visits what is added to it during the walk, and each member once: transitive, and safe
  // where the hierarchy has a cycle.
  const held = new Set(granted)
  for (const scope of held) {
    if (!Object.hasOwn(hierarchy, scope)) continue
    for (const implied of hierarchy[scope] ?? []) held.add(implied)
  }
  return required.filter((scope) => !held.has(scope))
}

/** The union of two lists of scopes, in order of first mention. */
export function mergeScopes (a: readonly string[], b: readonly string[]): string[] {
  return [...new Set([...a, ...b])]
}
