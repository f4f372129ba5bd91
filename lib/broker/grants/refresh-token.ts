/** How is a grant refreshed, however often and by however many processes of a client? */

import { failure, McpOAuthError } from '../../errors.ts'
import { minAnswerSeconds } from '../../limits.ts'
import { parseRefreshToken } from '../../oauth/token-request.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import type { ReceivedTokens } from '../../provider/tokens.ts'
import type { ProviderTokens } from '../../provider/login.ts'
import { hash } from '../../util/hash.ts'
import { authorizeUser } from '../authorize-user.ts'
import {
  isUsed,
  nextTimes,
  positionOf,
  usesWith,
  type Family,
  type TokenResponse
} from '../families.ts'
import { knownScopes, narrowedScopes } from '../refresh-scopes.ts'
import { waitFor, type Step } from '../single-flight.ts'
import {
  issueTokens,
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
      return await broker.once(id, progress => nextStep({ ...context, token, progress }, asked))
    } catch (error) {
      if (!(error instanceof McpOAuthError) || error.statusCode >= 500) {
        broker.kept.refused.set(token.id, true)
      }
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
    throw failure('invalidGrant', 'The refresh token is expired, of another client, or not one')
  }
  const isBound = token.key !== undefined &&
    !context.broker.clients.isConfidential(context.clientId)
  if (isBound && token.key !== context.key) {
    if (copy && copy.key === undefined) throw await reused({ ...context, token: copy })
    throw failure('invalidGrant', 'The refresh token is bound to another key')
  }
  return token
}

/** Says what a refresh token is good for at this moment. Changes nothing, unless it was stolen. */
async function nextStep (
  context: SharedContext & Pick<Refresh, 'token'>,
  asked: readonly string[]
): Promise<Step<TokenResponse>> {
  const { broker: { marks, kept, config, log, now: clock }, token, key } = context
  const { grant, generation = 0 } = token
  const now = clock()
  const [ended, family] = await Promise.all([
    marks.hasEnded(grant),
    kept.recall('family', grant, now)
  ])
  if (ended) throw failure('invalidGrant', 'The grant has ended')
  const position = positionOf(generation, family, { grace: config.refresh.grace, now })
  if (position === 'reused' && !kept.refused.has(token.id)) throw await reused(context)
  // Version 0.1.0 marked its used tokens, which have no generation.
  const isOld = family === null && token.generation === undefined
  if (isOld && await marks.isConsumed('refresh', token.id)) {
    const done = await oldResponse({ ...context, now }, token.id)
    if (done) return { done }
    throw failure('invalidGrant', 'The refresh token was used before the upgrade')
  }
  if (position === 'newest' || !family?.answer) {
    const scopes = narrowedScopes(token, asked)
    return stepOf({ ...context, family, presented: generation, scopes })
  }
  const { answer } = family
  const newest = await openToken({ ...context, now }, answer.tokens.refresh_token ?? '', token)
  const scopes = narrowedScopes(newest, asked)
  log.info({ generation }, 'A copy of a refresh token asks for the newest tokens of its grant')
  const seconds = Math.ceil(answer.expiresAt - now)
  const { scope = '' } = answer.tokens
  if (seconds < minAnswerSeconds || answer.key !== key || scope !== scopes.join(' ')) {
    return stepOf({ ...context, token: newest, family, presented: generation, scopes })
  }
  const response = { ...answer.tokens, expires_in: seconds }
  if (isUsed(generation, family)) return { done: response }
  // A thief who always comes first must not hide that the client goes on.
  const used = { ...family, uses: usesWith(generation, family, now) }
  const work = async () => {
    await kept.keep('family', used, config.lifetimes.refreshIdle, now)
    return response
  }
  return { lease: leaseOf(newest), work }
}

function stepOf (refresh: Refresh): Step<TokenResponse> {
  const { token, key } = refresh
  // A token without a key is bound as soon as its client uses one.
  return { lease: leaseOf(token), work: () => renew({ ...refresh, token: { ...token, key } }) }
}

/** The lease for changes of a family. */
const leaseOf = ({ grant, generation = 0 }: RefreshContent) => `${grant}:${generation}`

/**
 * The error for a token that was replaced long ago. Tokens of a client with credentials or a key
 * are of no use to a thief: only the request is refused.
 */
async function reused (context: TokenContext & Pick<Refresh, 'token'>) {
  const { broker, clientId, token, now } = context
  const isSafe = broker.clients.isConfidential(clientId) || token.key !== undefined
  const ends = broker.config.refresh.onReuse === 'revoke' && !isSafe
  if (ends) await broker.revocation.end(token.grant, now, token.upstream)
  return failure(
    'invalidGrant',
    `The refresh token was replaced long ago, or was not bound to the key of its successor. ${
      ends ? 'It may be stolen, so the grant has ended' : 'The grant goes on with the newest token'
    }`
  )
}

/**
 * Obtains the next tokens. A new refresh token of the provider is kept before anything in its
 * response is verified: a temporary fault must not sign users out.
 */
async function renew (refresh: Refresh): Promise<TokenResponse> {
  const { broker: { config, marks, provider, kept, revocation, now }, token, presented } = refresh
  const { grant, generation = 0 } = token
  let { family } = refresh
  const upstream = family?.generation === generation ? family.upstream : token.upstream
  const save = async (changed: Family) => {
    family = changed
    await kept.keep('family', changed, config.lifetimes.refreshIdle, now())
  }
  let keeping: Promise<void> | undefined
  const keep = ({ refreshToken }: ReceivedTokens) => {
    if (refreshToken === undefined || refreshToken === upstream.refresh) return
    const newest = { refresh: refreshToken }
    keeping = save({ uses: [], ...family, id: grant, generation, upstream: newest })
  }
  try {
    const ask = () =>
      upstream.refresh === undefined
        ? provider.recheck?.(upstream.access ?? '')
        : provider.refresh(upstream.refresh, keep)
    const tokens = await waitFor(refresh.progress, 'the provider', ask)
    if (tokens === undefined) throw new McpOAuthError('invalidGrant')
    await keeping
    // A provider that does not rotate sends none: the previous one stays valid (RFC 6749 §6).
    const refreshToken = tokens.refreshToken ?? upstream.refresh ?? null
    return await issueNext({ ...refresh, now: now() }, { ...tokens, refreshToken })
  } catch (error) {
    await keeping
    if (error instanceof McpOAuthError && error.statusCode < 500) {
      // A token that is not known here may be a copy: another instance, or this one before it was
      // restarted, may have issued a newer one. The provider refuses this one in any case.
      if (family !== null) await revocation.end(grant, now(), upstream)
    } else if (
      family !== null && presented < Math.min(generation, family.refused?.generation ?? generation)
    ) {
      // It may come again after its grace.
      await save({ ...family, refused: { generation: presented } })
    }
    // A revocation in the meantime knew the previous token of the provider.
    const { refresh: rotated } = keeping ? family?.upstream ?? {} : {}
    if (rotated !== undefined && await marks.hasEnded(grant).catch(() => false)) {
      revocation.endUpstream(rotated)
    }
    throw error
  }
}

async function issueNext (refresh: Refresh, tokens: ProviderTokens) {
  const { broker, token: { id, upstream, ...grant }, family, presented, now, key } = refresh
  const { marks, kept, revocation, config } = broker
  if (tokens.claims !== null && String(tokens.claims['sub']) !== grant.subject) {
    throw failure('invalidGrant', 'The provider responded for another user')
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
    ...nextTimes(presented, family, { grace: config.refresh.grace, now }),
    answer: { tokens: response, key, expiresAt: Math.floor(now) + response.expires_in }
  }
  await kept.keep('family', next, response.refresh_token_expires_in ?? config.lifetimes.access, now)
  // Writes before it reads. A revocation does it in the other order: one of the two sees the other.
  // Without the store no other instance can have revoked it.
  if (await marks.hasEnded(grant.grant).catch(() => false)) {
    revocation.endUpstream(tokens.refreshToken ?? tokens.accessToken)
    throw new McpOAuthError('invalidGrant')
  }
  return response
}
