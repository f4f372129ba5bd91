/** Does the operator's `authorizeUser` let a user in, and with what? */

import { causeWith, McpOAuthError } from '../errors.ts'
import { withTimeout } from '../http/operations.ts'
import { authorizeUserMs, maxRefusalChars } from '../limits.ts'
import { machineIn } from '../oauth/token-request.ts'
import type { ProviderTokens } from '../provider/tokens.ts'
import type { AuthorizeUser, AuthorizeVerdict, UpstreamUser, UserClaims } from '../types.ts'
import { isPlainObject } from '../util/json.ts'
import { type Progress, waitFor } from './single-flight.ts'
import type { TokenContext } from './tokens.ts'

/** Claims that decide whether a token is accepted: a hook cannot set them. */
export const reservedClaims = (
  'iss sub aud client_id scope scp scopes iat exp nbf jti gid gat ups upt cnf withheld gty gcl ' +
  'lat sgn xat act may_act __proto__'
).split(' ')

/**
 * Runs the operator's hook. Without one, a user gets the scopes that he or she agreed to.
 *
 * @returns the scopes and further claims of the user's tokens
 * @throws {McpOAuthError} `accessDenied` if the hook refuses the user; `internal` if it fails
 */
export async function authorizeUser (
  { broker: { config, clients }, clientId, client, report, progress }: TokenContext & {
    progress?: Progress
  },
  { claims: userClaims, subject = String(userClaims?.['sub']), accessToken, scope }:
    & Pick<ProviderTokens, 'claims'>
    & Partial<Pick<ProviderTokens, 'accessToken' | 'scope'>>
    & { subject?: string },
  agreed: readonly string[]
) {
  // The tokens of this user would look like those of the machine (RFC 9068 §5).
  const { grantTypes = [] } = clients.listed(subject) ?? {}
  if (machineIn(grantTypes)) {
    throw denial(new Error('the sub of the user is the id of a machine: rename its client'))
  }
  if (config.authorizeUser === null) return { scopes: agreed, withheld: [], claims: {} }
  const user: UpstreamUser = {
    claims: userClaims as UserClaims,
    isAsserted: accessToken === undefined,
    subject,
    get tokens () {
      if (accessToken !== undefined) return { accessToken, scope: String(scope) }
      throw new Error(
        'an identity assertion has no tokens of the provider. Look at isAsserted first'
      )
    },
    client: { id: clientId },
    scopes: agreed
  }
  const hook = config.authorizeUser
  const run = () => runHook(hook, user)
  const verdict = await (progress ? waitFor(progress, 'authorizeUser', run) : run())
  const { deny, scopes = agreed, claims = {} }: Exclude<AuthorizeVerdict, boolean | undefined> =
    Object(verdict)
  if (verdict === false || deny !== undefined) {
    const error = refusal(deny ?? '', userClaims)
    const reason = (error.cause as Error).message
    report('login.denied', { by: 'policy', reason, subject, client, scopes: agreed }, error)
    throw error
  }
  return {
    scopes: agreed.filter(scope => scopes.includes(scope)),
    /** Another request for these would fail as well. */
    withheld: agreed.filter(scope => !scopes.includes(scope)),
    claims: Object.fromEntries(
      Object.entries(claims).filter(([name]) => !reservedClaims.includes(name))
    )
  }
}

/**
 * A refusal in the operator's words, in the characters that RFC 6749 §5.2 allows. The log has the
 * names of the claims: the one that is decided by may be missing.
 */
function refusal (message: string, claims: object | null) {
  const words = message.slice(0, maxRefusalChars).replace(/[^\x20-\x7e]|["\\]/g, '?')
  const names = Object.keys(claims ?? {}).join(' ')
  const change = words === message
    ? ''
    : `the text of the denial was changed: give at most ${maxRefusalChars} ASCII characters ` +
      'without " and \\. '
  const cause = causeWith(`${change}authorizeUser denied a user with the claims`, names)
  return denial(cause, words)
}

/** An error of the token endpoint (RFC 6749 §5.2), where pages respond with 403. */
function denial (cause: unknown, description = '') {
  return new McpOAuthError('accessDenied', {
    ...description && { description },
    statusCode: 400,
    cause
  })
}

/** No failure of a hook, and no unknown return value, counts as consent. */
async function runHook (hook: AuthorizeUser, user: UpstreamUser): Promise<AuthorizeVerdict> {
  try {
    const verdict = await withTimeout(
      () => hook(user),
      authorizeUserMs,
      () => new Error('authorizeUser timed out')
    )
    if (isVerdict(verdict)) return verdict
    // Its value may be a token or an address of the user.
    const returned = isPlainObject(verdict)
      ? `{ ${Object.keys(verdict).join(', ')} }`
      : `a value of the type ${verdict === null ? 'null' : typeof verdict}`
    throw new TypeError(
      'authorizeUser must return a boolean, undefined, { deny }, or { scopes, claims }. ' +
        `It returned ${returned}`
    )
  } catch (cause) {
    const isTyped = cause instanceof McpOAuthError && cause.kind === 'accessDenied'
    if (isTyped) throw refusal(cause.message, user.claims)
    const { statusCode } = Object(cause) as { statusCode?: unknown }
    if (statusCode === 401 || statusCode === 403) throw denial(cause)
    throw new McpOAuthError('internal', { cause })
  }
}

function isVerdict (value: unknown) {
  if (value === undefined || typeof value === 'boolean') return true
  if (!isPlainObject(value)) return false
  const { scopes = [], claims = {}, ...others } = value
  const { deny, ...unknown } = others
  // A denial whose text is missing in a table, or that has another name, is no consent.
  const isClear = Object.keys(unknown).length === 0 &&
    (!('deny' in value) || typeof deny === 'string')
  return isClear && Array.isArray(scopes) && isPlainObject(claims)
}
