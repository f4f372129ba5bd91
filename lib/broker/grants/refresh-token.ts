/** How is a grant refreshed, however often and by however many processes of a client? */

import { invalidGrant, isRefusal, McpOAuthError, quoted } from '../../errors.ts'
import { minAnswerSeconds } from '../../limits.ts'
import { parseRefreshToken } from '../../oauth/token-request.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import type { ProviderTokens, ReceivedTokens } from '../../provider/tokens.ts'
import { hash } from '../../util/hash.ts'
import { authorizeUser } from '../authorize-user.ts'
import { assertSigned } from '../client-authentication.ts'
import { endReused } from '../reuse.ts'
import {
  afterRefresh,
  isUsed,
  positionOf,
  recordUse,
  type Family,
  type TokenResponse
} from '../families.ts'
import { knownScopes, narrowedScopes } from '../refresh-scopes.ts'
import { ownerOf } from '../revocation.ts'
import { askProvider, type Step } from '../single-flight.ts'
import {
  issueTokens,
  keepGrant,
  oldResponse,
  openOwn,
  upstreamOf,
  type Grant,
  type RefreshContent,
  type SharedContext,
  type TokenContext
} from '../tokens.ts'

/** A request with a refresh token that is, or stands for, the newest one of its grant. */
interface Refresh extends SharedContext {
  token: RefreshContent
  family: Family | null
  /** Generation of the token in the request. */
  presented: number
  /** The scopes of the access token. */
  scopes: readonly string[]
}

/**
 * The refresh_token grant (RFC 6749 §6). A refresh token works until its successor is used, and for
 * `refresh.grace` seconds after that; all its copies get the newest tokens of the grant. A later
 * request is theft, or a copy that slept: `refresh.onReuse` decides (RFC 9700 §4.14).
 */
export const refreshToken: Grant<typeof parseRefreshToken> = {
  type: 'refresh_token',
  parse: parseRefreshToken,
  async handle (context, request) {
    const { broker, key } = context
    const token = await openToken(context, request.refreshToken)
    const { resource = token.resource } = request
    if (resource !== token.resource) throw new McpOAuthError('invalidTarget')
    const asked = knownScopes(broker, token, request.scopes)
    const id = hash(JSON.stringify([token.id, [...asked].sort(), key]))
    try {
      return await broker.singleFlight(
        id,
        progress => nextStep({ ...context, token, progress }, asked)
      )
    } catch (error) {
      if (!isRefusal(error)) broker.kept.failedTokens.set(token.id, true)
      throw error
    }
  }
}

/**
 * Opens a refresh token. That of a public client is bound to its key (RFC 9449 §5).
 *
 * @param copy the token of the request, if that is an older one: without a key, either it or the
 *   key is a thief's
 */
async function openToken (context: TokenContext, sealed: string, copy?: RefreshContent) {
  const token = await openOwn<RefreshContent>(context, 'refresh', sealed)
  const { since = Infinity } = token ?? {}
  // The lifetime may have been reduced since.
  const isOver = since + context.broker.config.lifetimes.refreshAbsolute <= context.now
  if (token === null || isOver) {
    throw invalidGrant('The refresh token is expired, of another client, or not one')
  }
  assertSigned(context, token)
  if (token.key !== undefined && !context.isAuthenticated && token.key !== context.key) {
    if (copy && copy.key === undefined) throw await endReused({ ...context, token: copy })
    throw invalidGrant('The refresh token is bound to another key')
  }
  return token
}

/** Says what a request with a refresh token needs. Changes nothing, unless the token was stolen. */
async function nextStep (
  context: SharedContext & Pick<Refresh, 'token'>,
  asked: readonly string[]
): Promise<Step<TokenResponse>> {
  const { broker, clientId, token } = context
  const { marks, kept, config, revocations, now: clock } = broker
  const { grant, generation = 0 } = token
  const now = clock()
  const [ended, family, isRevoked] = await Promise.all([
    marks.isRevokedNow(grant),
    kept.recall('family', grant, now),
    revocations.isRevoked(ownerOf(config, clientId, token))
  ])
  if (ended) throw invalidGrant('The grant has ended')
  if (isRevoked) {
    await broker.revocation.revokeGrant(grant, now, token.upstream)
    throw invalidGrant('Its user, its client or all were revoked')
  }
  const position = positionOf(generation, family, { grace: config.refresh.grace, now })
  if (position === 'reused' && !kept.failedTokens.has(token.id)) throw await endReused(context)
  // Version 0.1.0 marked its used tokens, which have no generation.
  const isOld = family === null && token.generation === undefined
  if (isOld && await marks.isConsumed('refresh', token.id)) {
    const done = await oldResponse({ ...context, now }, token.id)
    if (done) return { done }
    throw invalidGrant('The refresh token was used before the upgrade')
  }
  const answer = position === 'newest' ? undefined : family?.answer
  const newest = answer
    ? await openToken({ ...context, now }, answer.tokens.refresh_token ?? '', token)
    : token
  const scopes = narrowedScopes(newest, asked)
  const refresh = { ...context, now, token: newest, family, presented: generation, scopes }
  return family && answer ? copyStep(refresh, family, answer) : stepOf(refresh)
}

/** The step of a copy, which gets the newest tokens of its grant. */
function copyStep (refresh: Refresh, family: Family, answer: NonNullable<Family['answer']>) {
  const { broker, clientId, presented, scopes, key, now } = refresh
  refresh.log.info(
    { client: quoted(clientId), grant: family.id, generation: presented },
    'A copy of a refresh token asks for the newest tokens of its grant'
  )
  const seconds = Math.ceil(answer.expiresAt - now)
  const renewal = stepOf(refresh)
  const { scope } = answer.tokens
  if (seconds < minAnswerSeconds || answer.key !== key || scope !== scopes.join(' ')) return renewal
  const response = { ...answer.tokens, expires_in: seconds }
  if (isUsed(presented, family)) return { done: response }
  // A thief who always comes first must not hide that the client goes on.
  const used = { ...family, uses: recordUse(presented, family, now) }
  return { ...renewal, work: () => save(broker, used).then(() => response) }
}

function stepOf (refresh: Refresh) {
  const { token, key } = refresh
  return {
    /** For changes of a family. */
    lease: `${token.grant}:${token.generation ?? 0}`,
    // A token without a key is bound as soon as its client uses one.
    work: () => renew({ ...refresh, token: { ...token, key } })
  }
}

/** Keeps a family while its tokens can be used. */
const save = ({ config, kept, now }: Refresh['broker'], family: Family) =>
  kept.keep('family', family, config.lifetimes.refreshIdle, now())

/**
 * Obtains the next tokens. A new refresh token of the provider is kept before anything in its
 * response is verified: a temporary fault must not sign users out.
 */
async function renew (refresh: Refresh): Promise<TokenResponse> {
  const { broker, presented, token } = refresh
  const { marks, now, provider, revocation } = broker
  const { grant, generation = 0 } = token
  let { family } = refresh
  const upstream = family?.generation === generation ? family.upstream : token.upstream
  let keeping: Promise<void> | undefined
  const keep = ({ refreshToken }: ReceivedTokens) => {
    if (refreshToken === undefined || refreshToken === upstream.refresh) return
    family = { uses: [], ...family, id: grant, generation, upstream: { refresh: refreshToken } }
    keeping = save(broker, family)
  }
  try {
    const ask = () =>
      upstream.refresh === undefined
        ? provider.recheck?.(upstream.access ?? '')
        : provider.refresh(upstream.refresh, keep)
    const tokens = await askProvider(refresh.progress, ask)
    if (tokens === undefined) throw new McpOAuthError('invalidGrant')
    await keeping
    // A provider that does not rotate sends none: the previous one stays valid (RFC 6749 §6).
    const refreshToken = tokens.refreshToken ?? upstream.refresh ?? null
    return await issueNext({ ...refresh, now: now() }, { ...tokens, refreshToken })
  } catch (error) {
    await keeping
    // A token that is not known here may be a copy: another instance, or this one before it was
    // restarted, may have issued a newer one. The provider refuses this one in any case.
    if (family && isRefusal(error)) {
      await revocation.revokeGrant(grant, now(), upstream)
      const { client, token: { subject } } = refresh
      refresh.report('grant.revoked', { by: 'provider', subject, client, grant })
    } else if (
      family && presented < Math.min(generation, family.failedCopy?.generation ?? generation)
    ) {
      // It may come again after its grace.
      await save(broker, { ...family, failedCopy: { generation: presented } })
    }
    // A revocation in the meantime knew the previous token of the provider.
    if (keeping && family && await marks.isRevokedNow(grant).catch(() => false)) {
      revocation.revokeAtProvider(family.upstream)
    }
    throw error
  }
}

async function issueNext (refresh: Refresh, tokens: ProviderTokens) {
  const { broker, clientId, token, family, presented, now, key } = refresh
  const { id, upstream, ...grant } = token
  const { marks, revocation, revocations, config } = broker
  if (tokens.claims !== null && String(tokens.claims['sub']) !== grant.subject) {
    throw invalidGrant('The provider responded for another user')
  }
  const authorization = tokens.claims === null
    ? grant
    : await authorizeUser(refresh, tokens, grant.scopes)
  const { generation = 0 } = grant
  const content = {
    ...grant,
    ...authorization,
    withheld: mergeScopes(grant.withheld ?? [], authorization.withheld ?? []),
    generation: generation + 1
  }
  const scopes = refresh.scopes.filter(scope => authorization.scopes.includes(scope))
  const response = await issueTokens(refresh, content, scopes, tokens)
  const next: Family = {
    id: grant.grant,
    generation: generation + 1,
    upstream: upstreamOf(tokens),
    ...afterRefresh(presented, family, { grace: config.refresh.grace, now }),
    answer: { tokens: response, key, expiresAt: Math.floor(now) + response.expires_in }
  }
  await keepGrant(refresh, next, content, response)
  // Writes before it reads. A revocation does it in the other order: one of the two sees the other.
  // Without the store no other instance can have revoked it.
  const owner = ownerOf(config, clientId, grant)
  const checks = [marks.isRevokedNow(grant.grant), revocations.isRevokedNow(owner)]
  if ((await Promise.all(checks).catch(() => [false])).includes(true)) {
    revocation.revokeAtProvider(upstreamOf(tokens))
    throw new McpOAuthError('invalidGrant')
  }
  const { subject } = grant
  refresh.report('token.refreshed', { subject, client: refresh.client, grant: grant.grant, scopes })
  return response
}
