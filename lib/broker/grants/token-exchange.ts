/** How does a client exchange the token of a user, or of another agent, for one of its own? */

import { boundKeyOf } from '../../dpop/rules.ts'
import { invalidGrant, McpOAuthError } from '../../errors.ts'
import { maxTokenChars, tokenReserveChars } from '../../limits.ts'
import { isForResource, kindOf, scopesOfAssertion } from '../../oauth/assertion-grant.ts'
import {
  type Acting,
  actOf,
  delegatedScopes,
  parseTokenExchange
} from '../../oauth/delegation.ts'
import { tokenExchange } from '../../oauth/grant-types.ts'
import { scopesOf } from '../../oauth/scope.ts'
import type { Config } from '../../options/config.ts'
import { machineGrant } from '../../store/one-time.ts'
import { markUsed, type SingleUse } from '../../store/single-use.ts'
import type { UserClaims } from '../../types.ts'
import { type Claims, parseCompact } from '../../verifiers/claims.ts'
import { authorizeUser, reservedClaims } from '../authorize-user.ts'
import { isEnded } from '../own-tokens.ts'
import { ownerOf } from '../revocation.ts'
import { issueAccessToken, randomId, type Grant, type TokenContext } from '../tokens.ts'
import { subjectOf } from './jwt-bearer.ts'

/** A valid token of a subject or an actor. */
interface Verified {
  claims: Claims & { iss: string, sub: string, exp: number }
  scopes: readonly string[]
  /** Its issuer, and the mark that makes it valid once; undefined for a token of ours. */
  foreign?: { entry: Config['trustedIssuers'][number], use: SingleUse }
}

/**
 * The token-exchange grant (RFC 8693): an access token for the subject of a token, in which the
 * requesting client, or the subject of a second token, is the actor. There is no refresh token: the
 * subject's token decides how long others act for it.
 */
export const tokenExchangeGrant: Grant<typeof parseTokenExchange> = {
  type: tokenExchange,
  parse: parseTokenExchange,
  async handle (context, request) {
    try {
      return await exchange(context, request)
    } catch (error) {
      if (!(error instanceof McpOAuthError && error.kind === 'invalidGrant')) throw error
      // RFC 8693 §2.2.2.
      const description = 'The subject token or the actor token is not valid here.'
      throw new McpOAuthError('invalidRequest', { description, cause: error.cause })
    }
  }
}

async function exchange (
  context: TokenContext,
  { subjectToken, actorToken, issuedType, scopes: requested }: ReturnType<typeof parseTokenExchange>
) {
  const { broker, clientId, client, key, now, report, isGone, markNow } = context
  const { catalog, clients, config, issuer, urls } = broker
  const subject = await verify(context, subjectToken)
  const actor = actorToken === undefined ? undefined : await verify(context, actorToken)
  const uses = [subject, actor].flatMap(token => token?.foreign?.use ?? [])
  if (uses.length > 1 && uses[0]?.id === uses[1]?.id) {
    throw invalidGrant('the subject token and the actor token have the same jti')
  }
  const acting = actor ? actingOf(actor) : clientActing(clientId, issuer())
  const act = actOf(subject.claims, acting, issuer())
  const agreed = delegatedScopes(
    requested,
    [subject.scopes, actor?.scopes, clients.listed(clientId)?.scopes],
    {
      known: catalog(),
      hierarchy: config.scopeHierarchy,
      unknownScopes: config.unknownScopes
    }
  )
  const ends = [subject, ...(actor ? [actor] : [])].map(({ claims: { exp } }) => exp)
  const left = Math.floor(Math.min(...ends)) - Math.floor(now)
  if (left < 1) throw invalidGrant('the subject token or the actor token is expired')
  const lifetime = Math.min(config.lifetimes.access, left)
  const inherited = subject.foreign
    ? await foreignSubject(context, subject.claims, subject.foreign.entry, agreed)
    : ownSubject(subject.claims, agreed)
  const { sub, iss, tenant } = acting
  const { client_id: lender, gcl, lat, xat } = subject.claims
  const content = {
    ...inherited,
    resource: urls().resource,
    key,
    claims: {
      ...inherited.claims,
      act,
      // A revocation of the client before does not concern this token.
      xat: now,
      // The client of the grant, and when it obtained its token, if it did not by a login: its
      // revocation ends this token, too.
      ...(!subject.foreign && { gcl: gcl ?? lender, lat: gcl === undefined ? xat : lat }),
      // The next actor is bound by it, too.
      ...(subject.claims.may_act !== undefined && { may_act: { iss, tenant, sub } })
    }
  }
  // In base64url three bytes become four characters.
  if (4 / 3 * Buffer.byteLength(JSON.stringify(content)) > maxTokenChars - tokenReserveChars) {
    throw invalidGrant('subject, actors and claims are too long for an access token')
  }
  const response = await issueAccessToken(context, content, lifetime)
  // A client that left has no token: it can send its tokens again.
  if (!isGone()) {
    await markNow()
    for (const use of uses) await markUsed(use)
  }
  const { subject: name, grant, scopes } = content
  report('token.issued', { subject: name, client, grant, scopes, actor: sub })
  return Object.assign(response, { issued_token_type: issuedType })
}

const clientActing = (clientId: string, iss: string): Acting => ({
  iss,
  sub: clientId,
  client_id: clientId,
  isClient: true
})

function actingOf ({ claims, foreign }: Verified): Acting {
  const { iss, sub, client_id: id } = claims
  const clientId = typeof id === 'string' ? id : undefined
  const tenant = foreign && claims['tenant'] as string | undefined
  return { iss, sub, tenant, client_id: clientId, isClient: !foreign && sub === clientId }
}

/** Verifies a token, and that the client has the key that it is bound to. */
async function verify (context: TokenContext, token: string): Promise<Verified> {
  const isOwn = parseCompact(token)?.claims.iss === context.broker.issuer()
  const verified = await (isOwn ? verifyOwn(context, token) : verifyForeign(context, token))
  const key = boundKeyOf(verified.claims)
  if (key === undefined || key === context.key) return verified
  throw invalidGrant('a token is bound to a key that the client did not prove')
}

async function verifyOwn ({ broker, now }: TokenContext, token: string): Promise<Verified> {
  const { signing, urls } = broker
  const isCanonical = parseCompact(token)?.isCanonical === true
  const claims = await (await signing()).read(token, now) as Verified['claims'] | null
  if (!isCanonical || claims?.aud !== urls().resource) {
    throw invalidGrant('a token is none of this server, for another resource, or expired')
  }
  if (await isEnded(broker, claims, true)) throw invalidGrant('the grant of a token has ended')
  return { claims, scopes: scopesOf(claims) }
}

async function verifyForeign (
  { broker, clientId, now }: TokenContext,
  token: string
): Promise<Verified> {
  const { catalog, config, issuers, urls } = broker
  if (issuers === null) throw invalidGrant('a token is none of this server. Set trustedIssuers')
  const { claims, entry, use } = await issuers.verifyToken(token, now, clientId)
  const { resource } = urls()
  if (kindOf(token) === 'id-jag' && claims.client_id !== clientId) {
    throw invalidGrant('the assertion is for another client')
  }
  if (!isForResource(claims, resource)) {
    throw invalidGrant(`a token is for another resource than ${resource}`)
  }
  const scopes = scopesOfAssertion(claims, claims.scope === undefined ? entry.scopes : undefined, {
    known: catalog(),
    defaults: config.requiredScopes,
    hierarchy: config.scopeHierarchy,
    limits: [entry.scopes],
    unknownScopes: config.unknownScopes
  })
  return { claims, scopes, foreign: { entry, use } }
}

/** The subject of a token of ours, with its grant: revoking that ends the new token, too. */
function ownSubject (claims: Claims, scopes: readonly string[]) {
  const { sub, gid, gat, iat, ups, withheld } = claims
  return {
    grant: String(gid),
    subject: String(sub),
    scopes,
    since: Number(gat ?? iat),
    session: ups as string | undefined,
    withheld: typeof withheld === 'string' ? withheld.split(' ') : [],
    claims: Object.fromEntries(
      Object.entries(claims).filter(([name]) => name === 'gty' || !reservedClaims.includes(name))
    )
  }
}

/** The subject of a token of another issuer, whom the operator lets in as with a login. */
async function foreignSubject (
  context: TokenContext,
  claims: Verified['claims'],
  entry: Config['trustedIssuers'][number],
  agreed: readonly string[]
) {
  const { broker: { config, revocations }, clientId, now } = context
  const { iat } = claims as unknown as { iat: number }
  const subject = await subjectOf(claims as never, entry)
  const since = Math.min(now, iat)
  const owner = { ...ownerOf(config, clientId, { subject, since }), client: undefined }
  if (await revocations.isRevokedNow(owner)) {
    throw invalidGrant('its user or all were revoked after it was issued')
  }
  const user = { claims: claims as UserClaims, subject }
  const authorization = await authorizeUser(context, user, agreed)
  return { grant: machineGrant(clientId, randomId()), subject, since, ...authorization }
}
