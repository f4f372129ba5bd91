/** Does the operator's `authorizeUser` let a user in, and with what? */

import { failure, McpOAuthError } from '../errors.ts'
import { authorizeUserMs } from '../limits.ts'
import { withTimeout } from '../http/timeout.ts'
import type { AuthorizeUser, AuthorizeVerdict, UpstreamUser } from '../types.ts'
import { isPlainObject } from '../util/json.ts'

/** The scopes and further claims of a user's tokens. */
export interface Authorization {
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, unknown>>
}

/** Claims that decide whether a token is accepted: a hook cannot set them. */
const reservedClaims = new Set(
  'iss sub aud client_id scope scp scopes iat exp nbf jti gid upt cnf __proto__'.split(' ')
)

/**
 * Runs the operator's hook. Without one, a user gets the scopes that he or she agreed to.
 *
 * @throws {McpOAuthError} `accessDenied` if the hook refuses the user; `internal` if it fails
 */
export async function authorizeUser (
  hook: AuthorizeUser | null,
  user: UpstreamUser
): Promise<Authorization> {
  if (hook === null) return { scopes: user.scopes, claims: {} }
  const verdict = await runHook(hook, user)
  if (verdict === false) throw failure('accessDenied', 'authorizeUser returned false')
  const { scopes = user.scopes, claims = {} } = Object(verdict) as Partial<Authorization>
  return {
    scopes: user.scopes.filter(scope => scopes.includes(scope)),
    claims: Object.fromEntries(
      Object.entries(claims).filter(([name]) => !reservedClaims.has(name))
    )
  }
}

/** No failure of a hook, and no unknown return value, counts as consent. */
async function runHook (hook: AuthorizeUser, user: UpstreamUser): Promise<AuthorizeVerdict> {
  try {
    const verdict = await withTimeout(() => hook(user), {
      milliseconds: authorizeUserMs,
      error: () => new Error('authorizeUser timed out')
    })
    if (isVerdict(verdict)) return verdict
    throw new TypeError('authorizeUser must return a boolean, undefined, or { scopes, claims }')
  } catch (cause) {
    const { statusCode } = Object(cause) as { statusCode?: unknown }
    const kind = statusCode === 401 || statusCode === 403 ? 'accessDenied' : 'internal'
    throw new McpOAuthError(kind, { cause })
  }
}

function isVerdict (value: unknown): value is AuthorizeVerdict {
  if (value === undefined || typeof value === 'boolean') return true
  if (!isPlainObject(value)) return false
  const { scopes = [], claims = {} } = value
  return Array.isArray(scopes) && isPlainObject(claims)
}
