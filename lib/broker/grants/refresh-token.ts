/** How is a refresh token used exactly once, even if it is sent several times? */

import { setTimeout as sleep } from 'node:timers/promises'
import { McpOAuthError } from '../../errors.ts'
import { retry } from '../../http/retry.ts'
import {
  accessTokenSeconds,
  maxRefreshPolls,
  refreshGraceSeconds,
  refreshLockSeconds,
  refreshPollMs,
  refreshTokenSeconds,
  storeWriteDelaysMs
} from '../../limits.ts'
import { parseRefreshToken, type RefreshTokenRequest } from '../../oauth/token-request.ts'
import type { Log } from '../../types.ts'
import type { TokenResponse } from '../access-token.ts'
import type { RefreshContent } from '../tokens.ts'
import { invalidGrant, type Grant, type TokenRequestContext } from './grant.ts'

/** The response to a refresh, sealed into the store with its token and the key of the request. */
interface KeptResponse {
  readonly id: string
  readonly key?: string | undefined
  readonly tokens: TokenResponse
}

/** The provider's new refresh token after a refresh that failed, sealed into the store. */
interface Rotated {
  readonly id: string
  readonly refresh: string
}

/** A request with a valid refresh token, which is bound to the key of the request. */
interface Refresh extends TokenRequestContext {
  token: RefreshContent
  /** The scopes of the access token. */
  scopes: readonly string[]
}

/**
 * The refresh_token grant (RFC 6749 §6). Concurrent requests with the same token, and later ones
 * within the grace period, get the same response. Later use is theft and ends the grant (RFC 9700
 * §4.14).
 */
export const refreshToken: Grant<RefreshTokenRequest> = {
  type: 'refresh_token',
  isDefault: true,
  isOffered: () => true,
  parse: parseRefreshToken,
  async handle (context, request) {
    const token = await openToken(context, request)
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
async function openToken (
  context: TokenRequestContext,
  request: RefreshTokenRequest
): Promise<RefreshContent> {
  const { broker, clientId, key } = context
  const token = await broker.tokens.openRefresh(request.refreshToken, context)
  if (token === null) {
    throw invalidGrant('The refresh token is expired, of another client, or not one')
  }
  // RFC 9449 §5: the refresh token of a public client is bound to its key. One without a key is
  // bound as soon as its client uses one.
  const isBound = token.key !== undefined && !broker.clients.isConfidential(clientId)
  if (isBound && token.key !== key) throw invalidGrant('The refresh token is bound to another key')
  return { ...token, key }
}

function narrowedScopes (
  token: RefreshContent,
  { resource, scopes = [...token.scopes] }: RefreshTokenRequest
): readonly string[] {
  if (resource !== undefined && resource !== token.resource) {
    throw new McpOAuthError('invalidTarget')
  }
  if (!scopes.every(scope => token.scopes.includes(scope))) throw new McpOAuthError('invalidScope')
  return scopes
}

/** Refreshes while the token is locked. */
async function refreshLocked (refresh: Refresh): Promise<TokenResponse> {
  const { broker: { marks, tokens }, token, now } = refresh
  try {
    // Another request may have finished between the check and the lock.
    const previous = await previousResponse(refresh)
    if (previous !== null) return previous
    const response = await renew(refresh)
    await keepResponse(refresh, response)
    return response
  } catch (error) {
    if (error instanceof McpOAuthError && error.statusCode < 500) await tokens.end(token, now)
    // After a failure of the provider or the store the token stays valid, for the next request.
    await marks.release('refreshing', token.id).catch(() => {})
    throw error
  }
}

/**
 * Obtains the next tokens. If the provider rotated its refresh token and a later step failed, the
 * new one is kept for the next request: a temporary fault must not sign users out.
 */
async function renew (refresh: Refresh): Promise<TokenResponse> {
  const { broker, token, scopes } = refresh
  const kept = await recallSealed<Rotated>(refresh, 'rotated', 'rotated')
  const current = kept === null ? token : { ...token, upstream: { refresh: kept.refresh } }
  let rotated: string | undefined
  try {
    return await broker.tokens.renew(refresh, current, scopes, newToken => {
      rotated = newToken
    })
  } catch (error) {
    if (rotated !== undefined) await keepRotated(refresh, rotated)
    throw error
  }
}

async function keepRotated ({ broker, token, now }: Refresh, refresh: string): Promise<void> {
  const { id, grant } = token
  const content: Rotated = { id, refresh }
  const sealed = await broker.sealer.seal('rotated', content, refreshTokenSeconds, now)
  await write(broker.log, () => broker.marks.remember('rotated', id, sealed, refreshTokenSeconds))
  await broker.revocation.note(grant, refresh, accessTokenSeconds, now)
}

/**
 * Returns the response to an earlier request with this token, or null if the token is unused. Ends
 * the grant if the grace period is over, or if the key is another one.
 */
async function previousResponse (refresh: Refresh): Promise<TokenResponse | null> {
  const { broker: { marks, tokens }, token, now } = refresh
  // Read first: the mark is written after the response, so a request that sees the mark finds the
  // response, too.
  const used = await marks.isConsumed('refresh', token.id)
  const [ended, kept] = await Promise.all([
    marks.hasEnded(token.grant),
    recallSealed<KeptResponse>(refresh, 'refreshed', 'answer')
  ])
  if (ended) throw invalidGrant('The grant has ended')
  if (kept !== null && kept.key === token.key) return kept.tokens
  if (kept === null && !used) return null
  await tokens.end(token, now)
  throw invalidGrant('The refresh token was used before: it was stolen, the grant has ended')
}

/**
 * Returns what the store keeps for a token. A value of another token, which a writer of the store
 * may have copied, is ignored.
 */
async function recallSealed<T extends { readonly id: string }> (
  { broker: { marks, sealer }, token: { id }, now }: Refresh,
  kind: string,
  purpose: 'rotated' | 'answer'
): Promise<T | null> {
  const sealed = await marks.recall(kind, id)
  const content = sealed === null ? null : await sealer.open(purpose, sealed, now) as T | null
  return content?.id === id ? content : null
}

async function keepResponse (
  { broker: { marks, sealer, log }, token: { id, key }, now }: Refresh,
  tokens: TokenResponse
): Promise<void> {
  const content: KeptResponse = { id, key, tokens }
  const sealed = await sealer.seal('answer', content, refreshGraceSeconds, now)
  await write(log, async () => {
    await marks.remember('refreshed', id, sealed, refreshGraceSeconds)
    await marks.consume('refresh', id, refreshTokenSeconds)
  })
}

/** Repeats a write to the store: if the provider rotates its tokens, a lost one is final. */
async function write (log: Log, operation: () => Promise<void>): Promise<void> {
  try {
    await retry(operation, { delays: storeWriteDelaysMs })
  } catch (err) {
    log.error(
      { err },
      'Could not store a refreshed grant: if the provider rotates its tokens, the user has to log in again'
    )
    throw err
  }
}
