/** How is a refresh token used exactly once, even if it is sent several times? */

import { setTimeout as sleep } from 'node:timers/promises'
import { failure, McpOAuthError } from '../../errors.ts'
import { retry, withTimeout } from '../../http/operations.ts'
import {
  maxRefreshPolls,
  queueTimeoutMs,
  refreshGraceSeconds,
  refreshLockSeconds,
  refreshPollMs,
  refreshTokenSeconds,
  requestTimeoutMs,
  storeWriteDelaysMs
} from '../../limits.ts'
import { parseRefreshToken, type RefreshTokenRequest } from '../../oauth/token-request.ts'
import { mergeScopes } from '../../oauth/scope.ts'
import type { ProviderTokens } from '../../provider/login.ts'
import { authorizeUser } from '../authorize-user.ts'
import {
  issueTokens,
  openOwn,
  type Grant,
  type RefreshContent,
  type TokenContext,
  type TokenResponse
} from '../tokens.ts'

/** A request with a valid refresh token, which is bound to the key of the request. */
interface Refresh extends TokenContext {
  token: RefreshContent
  /** The scopes of the access token. */
  scopes: readonly string[]
}

/** Values that the store keeps for a refresh token, sealed, each with the id of the token. */
interface Kept {
  /** The response to a refresh, and the key of its request. */
  answer: { id: string, key?: string | undefined, tokens: TokenResponse }
  /** The provider's new refresh token after a refresh that failed. */
  rotated: { id: string, refresh: string }
}

/**
 * The refresh_token grant (RFC 6749 §6). Concurrent requests with the same token, and later ones
 * within the grace period, get the same response. Later use is theft and ends the grant (RFC 9700
 * §4.14).
 */
export const refreshToken: Grant<typeof parseRefreshToken> = {
  type: 'refresh_token',
  parse: parseRefreshToken,
  async handle (context, request) {
    const token = await openToken(context, request.refreshToken)
    const refresh = { ...context, token, scopes: narrowedScopes(token, request) }
    for (let poll = 0; poll < maxRefreshPolls; poll++) {
      const response = await previousResponse(refresh)
      if (response !== null) return response
      if (await context.broker.marks.consume('refreshing', token.id, refreshLockSeconds)) {
        return await refreshLocked(refresh)
      }
      await sleep(refreshPollMs)
    }
    throw new McpOAuthError('providerTimeout')
  }
}

/** Opens a refresh token of the client, and binds it to the key of the request. */
async function openToken (context: TokenContext, sealed: string) {
  const { broker, clientId, key } = context
  const token = await openOwn<RefreshContent>(context, 'refresh', sealed)
  if (token === null) {
    throw failure('invalidGrant', 'The refresh token is expired, of another client, or not one')
  }
  // RFC 9449 §5: the refresh token of a public client is bound to its key. One without a key is
  // bound as soon as its client uses one.
  const isBound = token.key !== undefined && !broker.clients.isConfidential(clientId)
  if (isBound && token.key !== key) {
    throw failure('invalidGrant', 'The refresh token is bound to another key')
  }
  return { ...token, key }
}

function narrowedScopes (
  token: RefreshContent,
  { resource = token.resource, scopes = [...token.scopes] }: RefreshTokenRequest
) {
  if (resource !== token.resource) throw new McpOAuthError('invalidTarget')
  if (!scopes.every(scope => token.scopes.includes(scope))) throw new McpOAuthError('invalidScope')
  return scopes
}

/** Refreshes while the token is locked. */
async function refreshLocked (refresh: Refresh) {
  const { broker: { marks }, token: { id } } = refresh
  try {
    // Another request may have finished between the check and the lock.
    const previous = await previousResponse(refresh)
    if (previous !== null) return previous
    const tokens = await renew(refresh)
    await keep(refresh, 'answer', { id, key: refresh.token.key, tokens })
    return tokens
  } catch (error) {
    if (error instanceof McpOAuthError && error.statusCode < 500) await endGrant(refresh)
    // After a failure of the provider or the store the token stays valid, for the next request.
    await marks.release('refreshing', id).catch(() => {})
    throw error
  }
}

/**
 * Obtains the next tokens. If the provider rotated its refresh token and a later step failed, the
 * new one is kept for the next request: a temporary fault must not sign users out.
 */
async function renew (refresh: Refresh) {
  const { broker: { provider, revocation }, token: { id, grant, upstream }, now } = refresh
  const kept = await recall(refresh, 'rotated')
  const { refresh: current, access = '' } = { ...upstream, ...kept }
  let rotated: string | undefined
  try {
    const tokens = current === undefined
      ? await provider.recheck?.(access)
      : await withTimeout(
        () =>
          provider.refresh(current, ({ refreshToken }) => {
            rotated = refreshToken
          }),
        queueTimeoutMs + requestTimeoutMs,
        () => new McpOAuthError('providerTimeout')
      )
    if (tokens === undefined) throw new McpOAuthError('invalidGrant')
    // A provider that does not rotate sends none: the previous one stays valid (RFC 6749 §6).
    const refreshToken = tokens.refreshToken ?? current ?? null
    return await issueNext(refresh, { ...tokens, refreshToken })
  } catch (error) {
    if (rotated !== undefined) {
      await keep(refresh, 'rotated', { id, refresh: rotated })
      await revocation.note(grant, rotated, now)
    }
    throw error
  }
}

async function issueNext (refresh: Refresh, tokens: ProviderTokens) {
  const { broker: { revocation }, token: { id, upstream, ...grant }, now } = refresh
  if (tokens.claims !== null && String(tokens.claims['sub']) !== grant.subject) {
    throw failure('invalidGrant', 'The provider responded for another user')
  }
  const authorization = tokens.claims === null
    ? grant
    : await authorizeUser(refresh, tokens, grant.scopes)
  const noted = tokens.refreshToken ?? tokens.accessToken
  if (!await revocation.note(grant.grant, noted, now)) {
    throw new McpOAuthError('invalidGrant')
  }
  const scopes = refresh.scopes.filter(scope => authorization.scopes.includes(scope))
  const content = {
    ...grant,
    ...authorization,
    withheld: mergeScopes(grant.withheld ?? [], authorization.withheld ?? [])
  }
  return await issueTokens(refresh, content, scopes, tokens)
}

/**
 * Returns the response to an earlier request with this token, or null if the token is unused. Ends
 * the grant if the grace period is over, or if the key is another one.
 */
async function previousResponse (refresh: Refresh) {
  const { broker: { marks }, token } = refresh
  // Read first: the mark is written after the response, so a request that sees the mark finds the
  // response, too.
  const used = await marks.isConsumed('refresh', token.id)
  const [ended, kept] = await Promise.all([
    marks.hasEnded(token.grant),
    recall(refresh, 'answer')
  ])
  if (ended) throw failure('invalidGrant', 'The grant has ended')
  if (kept !== null && kept.key === token.key) return kept.tokens
  if (kept === null && !used) return null
  await endGrant(refresh)
  throw failure(
    'invalidGrant',
    'The refresh token was used before: it was stolen, the grant has ended'
  )
}

function endGrant ({ broker: { revocation }, token, now }: Refresh) {
  const { grant, upstream } = token
  return revocation.end(grant, now, upstream.refresh ?? upstream.access)
}

/** Kinds of the marks, by the purpose of the sealing. */
const kinds = { answer: 'refreshed', rotated: 'rotated' }

/**
 * Returns what the store keeps for a token. A value of another token, which a writer of the store
 * may have copied, is ignored.
 */
async function recall<Purpose extends keyof Kept> (
  { broker: { marks, sealer }, token: { id }, now }: Refresh,
  purpose: Purpose
) {
  const sealed = await marks.recall(kinds[purpose], id)
  const content = await sealer.open(purpose, sealed ?? '', now) as Kept[Purpose] | null
  return content?.id === id ? content : null
}

/**
 * Seals a value for a token into the store. The write is repeated: if the provider rotates its
 * tokens, a lost one is final.
 */
async function keep (
  { broker: { marks, sealer, log }, token: { id }, now }: Refresh,
  purpose: keyof Kept,
  content: Kept[keyof Kept]
) {
  const isAnswer = purpose === 'answer'
  const seconds = isAnswer ? refreshGraceSeconds : refreshTokenSeconds
  const sealed = await sealer.seal(purpose, content, seconds, now)
  const write = async () => {
    await marks.remember(kinds[purpose], id, sealed, seconds)
    if (isAnswer) await marks.consume('refresh', id, refreshTokenSeconds)
  }
  await retry(write, { delays: storeWriteDelaysMs }).catch((err: unknown) => {
    log.error(
      { err },
      'Could not store a refreshed grant: if the provider rotates its tokens, the user has to log in again'
    )
    throw err
  })
}
