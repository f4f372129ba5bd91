/** How does a client, or a workload, exchange the assertion of another issuer for a token? */

import { failure, invalidGrant, McpOAuthError } from '../../errors.ts'
import { withTimeout } from '../../http/operations.ts'
import { authorizeUserMs } from '../../limits.ts'
import {
  type AssertionClaims,
  isForResource,
  isSubject,
  parseJwtBearer,
  qualifiedSubject,
  scopesOfAssertion
} from '../../oauth/assertion-grant.ts'
import { delegationOf } from '../../oauth/delegation.ts'
import { jwtBearer } from '../../oauth/grant-types.ts'
import { invalidScope, missingScopes } from '../../oauth/scope.ts'
import { machineGrant } from '../../store/one-time.ts'
import { markUsed, type SingleUse } from '../../store/single-use.ts'
import type { Client, UserClaims } from '../../types.ts'
import { authorizeUser } from '../authorize-user.ts'
import type { Issuers, VerifiedAssertion } from '../issuers.ts'
import { ownerOf } from '../revocation.ts'
import { issueAccessToken, randomId, type Grant, type TokenContext } from '../tokens.ts'
import type { Config } from '../../options/config.ts'

type Request = ReturnType<typeof parseJwtBearer>
type TrustedIssuer = Config['trustedIssuers'][number]
type Workload = Config['workloads'][number]

/**
 * The jwt-bearer grant (RFC 7523 §2.1), for identity assertions and for tokens of workloads. There
 * is no refresh token: the client gets another assertion, or does not.
 */
export const jwtBearerGrant: Grant<typeof parseJwtBearer> = {
  type: jwtBearer,
  parse: parseJwtBearer,
  isAnonymous: ({ kind }) => kind === 'workload',
  checksClient: true,
  async handle (context, request) {
    const issuers = context.broker.issuers as Issuers
    const { assertion, kind } = request
    if (kind === 'workload') {
      const verified = await issuers.verifyWorkload(assertion, context.now)
      return await issueToWorkload(context, request, verified)
    }
    // A stranger must cause no requests to issuers.
    const { trustedIssuers } = context.broker.config
    if (!trustedIssuers.some(entry => acceptsClient(context, entry))) throw refusedClient()
    return await issueToUser(
      context,
      request,
      await issuers.verifyIdentity(assertion, context.now)
    )
  }
}

/**
 * Marks an assertion as used, and throws for all requests with it but one. Only when its token is
 * ready: what was refused, or failed, can be sent again. A client that left has no token.
 */
async function markOnce ({ isGone, markNow }: TokenContext, use: SingleUse) {
  if (isGone()) return
  await markNow()
  await markUsed(use)
}

/** Refuses an assertion that is bound to another key than the one that was proven. */
function assertKey ({ cnf }: AssertionClaims, key: string | undefined) {
  if (cnf !== undefined && (key === undefined || Object(cnf).jkt !== key)) {
    throw invalidGrant('the assertion is bound to a key that the client did not prove')
  }
}

/** Issues the token of a workload, which has no user and is its own client. */
async function issueToWorkload (
  context: TokenContext,
  { scopes: requested }: Request,
  { entry, claims, use }: VerifiedAssertion<Workload>
) {
  const { broker: { config, revocations, urls }, key, now, report } = context
  assertKey(claims, key)
  const scopes = requested ?? entry.scopes
  const missing = missingScopes(entry.scopes, scopes, config.scopeHierarchy)
  if (missing.length > 0) throw invalidScope('the workload may not have these scopes', missing)
  const subject = qualifiedSubject(claims)
  const since = Math.min(now, claims.iat)
  if (await revocations.isRevokedNow(ownerOf(config, subject, { subject, since }))) {
    throw invalidGrant('the workload, or all, were revoked after its token was issued')
  }
  // Of the issuer: the workloads of a pattern may be any number.
  const grant = machineGrant(claims.iss, randomId())
  const content = {
    grant,
    subject,
    resource: urls().resource,
    scopes,
    claims: { gty: 'workload' },
    key,
    since
  }
  const own = { ...context, clientId: subject }
  const response = await issueAccessToken(own, content, config.lifetimes.access)
  await markOnce(context, use)
  report('token.issued', { subject, grant, scopes })
  return response
}

/** Issues the token of a user, for whom an identity provider vouches. */
async function issueToUser (
  context: TokenContext,
  request: Request,
  { entry, claims, use }: VerifiedAssertion<TrustedIssuer>
) {
  const { broker, clientId, client, key, log, now, report, address } = context
  const { config, grants, revocations, rules, urls } = broker
  const { resource } = urls()
  if (claims.client_id !== clientId) throw invalidGrant('the assertion is for another client')
  if (!acceptsClient(context, entry)) throw refusedClient()
  assertKey(claims, key)
  if (!isForResource(claims, resource)) {
    throw invalidGrant(`the assertion is for another resource than ${resource}`)
  }
  const agreed = scopesOfAssertion(claims, request.scopes, {
    known: rules().knownScopes,
    defaults: config.requiredScopes,
    hierarchy: config.scopeHierarchy,
    limits: [entry.scopes, broker.clients.listed(clientId)?.scopes],
    unknownScopes: config.unknownScopes
  })
  const subject = await subjectOf(claims, entry)
  // The user may have been revoked after the assertion was issued.
  const since = Math.min(now, claims.iat)
  const owner = ownerOf(config, clientId, { subject, since })
  if (await revocations.isRevokedNow(owner)) {
    throw invalidGrant('its user, its client or all were revoked after it was issued')
  }
  const authorization = await authorizeUser(
    context,
    { claims: claims as UserClaims, subject },
    agreed
  )
  const grant = randomId()
  const own = { ...authorization.claims, ...delegationOf(claims) }
  const content = { grant, subject, resource, key, since, ...authorization, claims: own }
  const { scopes } = authorization
  const lifetime = config.lifetimes.access
  const response = await issueAccessToken(context, content, lifetime)
  await markOnce(context, use)
  const listed = { grant, subject, session: undefined, client: { ...client, id: clientId }, scopes }
  // By now the assertion cannot be sent again.
  await grants?.record({ ...listed, since: Math.round(1000 * since), address }, lifetime)
    .catch((err: unknown) => log.warn({ err }, 'Could not list a grant'))
  report('token.issued', { subject, client, grant, scopes })
  return { ...response, resource }
}

/** Whether the operator lets the client of a request use the assertions of an issuer. */
function acceptsClient (
  { broker, clientId, isAuthenticated }: TokenContext,
  { clients }: TrustedIssuer
) {
  const { grantTypes }: Partial<Client> = broker.clients.listed(clientId) ?? {}
  return (clients ? clients.includes(clientId) : isAuthenticated) &&
    grantTypes?.includes(jwtBearer) !== false
}

const refusedClient = () =>
  failure(
    'unauthorizedClient',
    'the client did not authenticate, or trustedIssuers.clients or its grantTypes leave it out'
  )

/** The subject of our tokens for the user of an assertion. */
export async function subjectOf (claims: AssertionClaims, { mapSubject }: TrustedIssuer) {
  if (!mapSubject) return qualifiedSubject(claims)
  let subject: unknown
  try {
    subject = await withTimeout(
      async () => await mapSubject(claims as UserClaims),
      authorizeUserMs,
      () => new Error('mapSubject timed out')
    )
  } catch (cause) {
    throw new McpOAuthError('internal', { cause })
  }
  if (subject === null || subject === undefined) throw invalidGrant('mapSubject refused the user')
  if (isSubject(subject)) return subject
  throw failure('internal', 'mapSubject must return a text, or null to refuse the user')
}
