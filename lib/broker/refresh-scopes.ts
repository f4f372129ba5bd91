/** Which scopes does the access token of a refresh have? */

import { invalidScope } from '../oauth/scope.ts'
import type { Broker } from './broker.ts'
import type { RefreshContent } from './tokens.ts'

/** Clients repeat the scopes of the login: unknown ones, ignored there, are ignored here. */
export function knownScopes (
  { catalog }: Pick<Broker, 'catalog'>,
  { scopes }: RefreshContent,
  asked: readonly string[] = []
) {
  const known = [...scopes, ...catalog()]
  return asked.filter(scope => known.includes(scope))
}

/**
 * Scopes that `authorizeUser` withheld are ignored, too.
 *
 * @throws {McpOAuthError} `invalidScope` if the grant does not have one of the others
 */
export function narrowedScopes (
  { scopes, withheld = [] }: RefreshContent,
  asked: readonly string[]
) {
  const wanted = asked.filter(scope => !withheld.includes(scope))
  if (wanted.length === 0) return scopes
  const missing = wanted.filter(scope => !scopes.includes(scope))
  if (missing.length > 0) throw invalidScope('the login does not have these scopes', missing)
  return wanted
}
