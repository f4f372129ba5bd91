/** Which tokens does the operator revoke at once? */
import { McpOAuthError, quoted, startupError } from '../errors.ts'
import type { Events } from '../host/events.ts'
import type { Revocations } from '../store/revocations.ts'
import { isPlainObject } from '../util/json.ts'

/** Which tokens to revoke: those of one user, client or login, the older ones, or all. */
export type RevocationFilter =
  /** The user, as the access token names them in `sub`. */
  | { readonly subject: string }
  /** The client, as the access token names it: `request.mcpAuth.clientId`. */
  | { readonly clientId: string }
  /** A login at the broker, as events name it. */
  | { readonly grant: string }
  /** A time in the past: a Date, a text of ISO 8601, or seconds since 1970. */
  | { readonly issuedBefore: Date | string | number }
  | { readonly all: true }

/** Revokes tokens. */
export type Revoke = (filter: RevocationFilter) => Promise<void>

/** A member of a filter: what it expects, whether a value is that, and what is revoked then. */
interface Member {
  expected: string
  fits: (value: unknown) => boolean
  /** Kind, id, and the last moment at which a revoked token was issued. Null for a grant. */
  target: ((value: any, now: number) => Parameters<Revocations['revoke']>) | null
}

const isText = (value: unknown) => typeof value === 'string' && value !== ''
const msOf = (value: unknown) =>
  typeof value === 'number' ? value * 1000 : new Date(value as Date | string).getTime()

const members = new Map<string, Member>(Object.entries({
  subject: {
    expected: 'the sub of an access token',
    fits: isText,
    target: (value, now) => ['subject', value, now]
  },
  clientId: {
    expected: 'the client_id of an access token',
    fits: isText,
    target: (value, now) => ['client', value, now]
  },
  grant: { expected: 'the grant of an event', fits: isText, target: null },
  issuedBefore: {
    expected: "a time in the past: a Date, '2026-07-28T12:00Z', or seconds since 1970",
    fits: value =>
      (value instanceof Date || /^(?:number|string)$/.test(typeof value)) &&
      msOf(value) > 0 && msOf(value) <= Date.now(),
    // Tokens that were issued at that time stay valid.
    target: value => ['before', '', msOf(value) - 1]
  },
  all: {
    expected: 'true',
    fits: value => value === true,
    target: (_value, now) => ['all', '', now]
  }
}))

/**
 * Creates the function that revokes tokens.
 *
 * @param own returns how grants are revoked, if there are any; null if nothing verifies tokens
 */
export function createRevoke (
  revocations: Revocations,
  events: Events,
  own: () => { revokeGrant?: (grant: string, now: number) => Promise<void> } | null
): Revoke {
  return async (filter) => {
    const now = Date.now()
    const [target, value] = memberOf(filter)
    const tokens = own()
    if (!tokens) throw invalid('no token is verified here. Set the option tokens')
    if (target) await revocations.revoke(...target(value, now))
    else if (tokens.revokeGrant) await tokens.revokeGrant(value, now / 1000)
    else throw invalid('only the broker has grants. Give a subject')
    const details = target ? { filter } : { grant: value }
    events.of(null)('grant.revoked', { by: 'operator', ...details })
  }
}

/** The one member of a filter. A mistake must not revoke everything, or nothing. */
function memberOf (filter: unknown) {
  const [[name, value] = [''], ...others] = isPlainObject(filter) ? Object.entries(filter) : []
  const { fits, expected, target = null } = members.get(name) ?? {}
  if (!fits || others.length > 0) {
    const problem = others.length > 0 || name === ''
      ? 'has not one member'
      : `has no ${quoted(name)}`
    throw invalid(`the filter ${problem}. Give one of ${[...members.keys()].join(', ')}`)
  }
  if (!fits(value)) throw invalid(`${name} has an invalid value. Give ${expected}`)
  return [target, value as string] as const
}

/** A route passes what it received. */
const invalid = (problem: string) =>
  new McpOAuthError('invalidOptions', {
    statusCode: 400,
    description: startupError('invalidOptions', `revoke: ${problem}`).message
  })
