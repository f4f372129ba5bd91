/** Does a caller see a tool or a resource whose scopes it lacks? */

import { heldScopes, missingScopes, scopesOf } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import type { McpAuth } from '../../types.ts'

/** Checks whether a caller sees a tool or a resource that needs scopes. */
export type IsVisible = (caller: McpAuth | undefined, scopes: readonly string[]) => boolean

/**
 * Creates the check. A caller of the broker also sees the tools that further scopes would open, if
 * its client may request them and this grant has not been refused them.
 *
 * @param issuer of the broker's tokens
 * @param catalog the scopes that users may request
 */
export function createVisibility (
  { clients, mcp: { tools }, mode, requiredScopes, scopeHierarchy }: Config,
  issuer: () => string,
  catalog: () => readonly string[]
): IsVisible {
  const visible = typeof tools === 'object' ? tools.visible : undefined

  /** Without authentication there is no caller, and nothing is hidden. */
  return (caller, scopes) => {
    if (caller === undefined) return true
    const missing = missingScopes(heldScopes(caller), scopes, scopeHierarchy)
    if (missing.length === 0 || visible === 'allowed') return missing.length === 0
    const { claims = {}, clientId } = caller
    if (mode !== 'broker' || claims['iss'] !== issuer()) return visible === 'reachable'
    // Only the token itself says which scopes a workload may have.
    if (claims.gty === 'workload') return false
    const isMachine = claims.gty === 'client_credentials'
    if (isMachine && visible === undefined) return false

    const { scopes: limit } = clients.find(({ id }) => id === clientId) ??
      { scopes: isMachine ? requiredScopes : undefined }
    const withheld = scopesOf({ scope: claims['withheld'] })
    // If the token has such a scope, a dependency has removed it.
    const isRefused = missing.some(scope => withheld.includes(scope)) ||
      missingScopes(scopesOf(claims), missing, scopeHierarchy).length < missing.length
    const known = isMachine ? missing : catalog()
    return !isRefused && missing.every(scope => known.includes(scope)) &&
      (limit === undefined || missingScopes(limit, missing, scopeHierarchy).length === 0)
  }
}
