/** Which tokens are exchanged for another, and which actors does that name (RFC 8693)? */

import { failure, invalidGrant } from '../errors.ts'
import { maxActors, maxGrantChars, maxSubjectChars } from '../limits.ts'
import { isPlainObject } from '../util/json.ts'
import { kindOf } from './assertion-grant.ts'
import { tokenExchange } from './grant-types.ts'
import {
  invalidRequest,
  required,
  resourceOf,
  single,
  type RequestParameters
} from './parameters.ts'
import { invalidScope, mergeScopes, missingScopes } from './scope.ts'
import { scopesOf } from './token-request.ts'
import { sameResource } from './url.ts'

/** Types of tokens (RFC 8693 §3, Identity Assertion Grant). */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const jwtType = 'urn:ietf:params:oauth:token-type:jwt'
const idJagType = 'urn:ietf:params:oauth:token-type:id-jag'

/**
 * Reads the parameters of the grant `token-exchange` (RFC 8693 §2.1).
 *
 * @param ours the resource that tokens are for
 * @throws {McpOAuthError} `invalidTarget` for another `resource` or `audience`; `invalidRequest`;
 *   `invalidScope`
 */
export function parseTokenExchange (params: RequestParameters, ours: string) {
  const subjectToken = tokenOf(params, 'subject_token')
  const hasActor = single(params, 'actor_token') !== undefined
  if (!hasActor && single(params, 'actor_token_type') !== undefined) {
    throw invalidRequest('The parameter actor_token_type requires actor_token.')
  }
  const actorToken = hasActor ? tokenOf(params, 'actor_token') : undefined
  const issuedType = typeOf(params, 'requested_token_type') ?? accessTokenType
  const resource = resourceOf(params, ours)
  const audiences = params.get('audience') ?? []
  if (!audiences.every(audience => audience === '' || sameResource(audience, ours))) {
    throw failure('invalidTarget', `the requested audience is not ${ours}`)
  }
  return {
    grantType: tokenExchange as typeof tokenExchange,
    subjectToken,
    actorToken,
    issuedType,
    resource,
    scopes: scopesOf(params)
  }
}

/** Returns a token that has the type that it is sent with. */
function tokenOf (params: RequestParameters, name: string) {
  const token = required(params, name)
  required(params, `${name}_type`)
  typeOf(params, `${name}_type`, kindOf(token) === 'id-jag' ? idJagType : accessTokenType)
  if (token.length > maxGrantChars || !/^[\x21-\x7e]+$/.test(token)) throw invalidRequest()
  return token
}

function typeOf (params: RequestParameters, name: string, expected = accessTokenType) {
  const type = single(params, name)
  if (type === undefined || type === expected || type === jwtType) return type
  throw invalidRequest(`The parameter ${name} must be ${expected} or ${jwtType}.`)
}

/** An actor, as a claim `act` names it (RFC 8693 §4.1). */
export interface Act {
  sub: string
  iss?: string
  /** Tenant of its issuer, where several may have an actor with the same `sub`. */
  tenant?: string
  client_id?: string
  /** The actor before it. */
  act?: Act
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= maxSubjectChars &&
  !/\p{Cc}|\p{Cs}/u.test(value)

/** The issuer and tenant of a token. Parties in its claims are theirs, unless they have others. */
interface Realm {
  iss?: string
  tenant?: unknown
}

const tenantOf = (iss: unknown, realm: Realm) => iss === realm.iss ? realm.tenant : undefined

/**
 * Copies a claim `act`: of each actor that which identifies it.
 *
 * @param realm for actors without one. Default: this server
 * @param levels how many actors it may name
 * @throws {McpOAuthError} `invalidGrant` if it is malformed, or names more
 */
export function copyOfAct (act: unknown, realm: Realm = {}, levels = maxActors): Act {
  if (levels <= 0) throw invalidGrant(`act names more than ${maxActors} actors`)
  if (!isPlainObject(act)) throw invalidGrant('act is not an object')
  const { sub, iss = realm.iss, client_id: clientId, act: prior } = act
  const { tenant = tenantOf(iss, realm) } = act
  const isValid = isName(sub) &&
    [iss, tenant, clientId].every(name => name === undefined || isName(name))
  if (!isValid) throw invalidGrant('act has an actor with a malformed name, issuer or tenant')
  return {
    sub,
    ...(iss !== undefined && { iss: iss as string }),
    ...(tenant !== undefined && { tenant: tenant as string }),
    ...(clientId !== undefined && { client_id: clientId as string }),
    ...(prior !== undefined && { act: copyOfAct(prior, realm, levels - 1) })
  }
}

/**
 * Returns the claims `act` and `may_act` of the token of another issuer, for a token of ours. In
 * that, a `may_act` without `iss` names no client of this server: it has room for one issuer.
 *
 * @throws {McpOAuthError} `invalidGrant` if one is malformed
 */
export function delegationOf (
  { iss, tenant, act, may_act: allowed }: {
    iss: string
    tenant?: unknown
    act?: unknown
    may_act?: unknown
  }
) {
  const realm = { iss, tenant }
  const isMalformed = allowed !== undefined && !isPlainObject(allowed)
  if (isMalformed) throw invalidGrant('may_act is not an object')
  return {
    ...(act !== undefined && { act: copyOfAct(act, realm) }),
    ...(isPlainObject(allowed) && {
      may_act: { iss, tenant: tenantOf(allowed.iss ?? iss, realm), ...allowed }
    })
  }
}

/** The party that wants to act. */
export interface Acting {
  iss: string
  sub: string
  tenant?: string | undefined
  client_id?: string | undefined
  /** Whether it is a client of this server, which other issuers name by its id. */
  isClient: boolean
}

/**
 * Whether the claim `may_act` of a token allows an actor (RFC 8693 §4.4). Without `iss` it names a
 * party of the issuer of the token, or a client of this server; without `tenant` one of the tenant
 * of the token, as another customer of the issuer may have a party with the same `sub`. A member
 * that we cannot compare allows nobody.
 */
export function isAllowedActor (allowed: unknown, actor: Acting, realm: Realm) {
  if (allowed === undefined) return true
  if (!isPlainObject(allowed)) return false
  const { iss, tenant = tenantOf(actor.iss, realm), ...names } = allowed
  const isOfIssuer = iss === undefined
    ? actor.iss === realm.iss || actor.isClient
    : actor.iss === iss
  const members = Object.entries(names)
  const { sub, client_id: clientId } = actor
  const own = new Map<string, unknown>([['sub', sub], ['client_id', clientId]])
  return isOfIssuer && actor.tenant === tenant && members.length > 0 &&
    members.every(([name, value]) => typeof value === 'string' && own.get(name) === value)
}

/**
 * Returns the claim `act` of a new token: the actor, and inside it those of the subject token.
 *
 * @param subject claims of the subject token
 * @param ours our issuer identifier, which actors of ours do not need
 * @throws {McpOAuthError} `invalidGrant` if `may_act` does not allow the actor, or the chain is
 *   malformed or too long
 */
export function actOf (
  subject: { iss?: unknown, tenant?: unknown, act?: unknown, may_act?: unknown },
  actor: Acting,
  ours: string
): Act {
  const iss = String(subject.iss)
  const isOurs = iss === ours
  // A claim tenant of our own tokens is one of authorizeUser: their subjects are unique without it.
  const realm = isOurs ? { iss } : { iss, tenant: subject.tenant }
  if (!isAllowedActor(subject.may_act, actor, realm)) {
    throw invalidGrant('may_act of the subject token does not allow the actor')
  }
  const { sub, tenant } = actor
  return {
    sub,
    ...(actor.iss !== ours && { iss: actor.iss }),
    ...(tenant !== undefined && { tenant }),
    ...(subject.act !== undefined && {
      act: copyOfAct(subject.act, isOurs ? {} : realm, maxActors - 1)
    })
  }
}

/**
 * Returns the scopes of a new token: those that are requested, or all, which the subject, the
 * actor, the client and this server allow.
 *
 * @param limits scopes of the subject, the actor and the client; undefined for no limit
 * @throws {McpOAuthError} `invalidScope` if nothing is left
 */
export function delegatedScopes (
  requested: readonly string[] | undefined,
  limits: readonly [subject: readonly string[], ...Array<readonly string[] | undefined>],
  { known, hierarchy, unknownScopes }: {
    /** The scopes of this server. */
    known: readonly string[]
    hierarchy: Readonly<Record<string, readonly string[]>>
    unknownScopes: 'ignore' | 'refuse'
  }
) {
  const wanted = requested ?? mergeScopes(...limits.map(limit => limit ?? []))
  const isRefused = unknownScopes === 'refuse' &&
    requested?.every(scope => known.includes(scope)) === false
  const granted = wanted.filter(scope =>
    known.includes(scope) &&
    limits.every(limit => !limit || missingScopes(limit, [scope], hierarchy).length === 0)
  )
  const isNothing = granted.length === 0 && (requested ?? limits[0]).length > 0
  if (!isRefused && !isNothing) return granted
  throw invalidScope(
    'the subject, the actor, the client or this server allows none of the scopes',
    wanted
  )
}
