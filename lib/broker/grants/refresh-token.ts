/** How is a refresh token used, once, however often it is sent? */

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
import { hash } from '../../util/hash.ts'
import type { TokenResponse } from '../access-token.ts'
import type { Broker } from '../broker.ts'
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
    const { broker, now } = context
    const token = await openToken(context, request)
    const scopes = narrowedScopes(token, request)
    for (let poll = 0; poll < maxRefreshPolls; poll++) {
      const response = await previousResponse(broker, token, now)
      if (response !== null) return response
      if (await broker.marks.consume('refreshing', token.id, refreshLockSeconds)) {
        return await refreshLocked(context, token, scopes)
      }
      await sleep(refreshPollMs)
    }
    throw new McpOAuthError('providerTimeout')
  }
}

/** Opens a refresh token of the client, and binds it to the key of the request. */
async function openToken (
  { broker, clientId, key, now }: TokenRequestContext,
  request: RefreshTokenRequest
): Promise<RefreshContent> {
  const token = await broker.tokens.openRefresh(request.refreshToken, now)
  if (token === null || token.client !== hash(clientId)) {
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
async function refreshLocked (
  context: TokenRequestContext,
  token: RefreshContent,
  scopes: readonly string[]
): Promise<TokenResponse> {
  const { broker, now } = context
  try {
    // Another request may have finished between the check and the lock.
    const previous = await previousResponse(broker, token, now)
    if (previous !== null) return previous
    const tokens = await renew(context, token, scopes)
    await keepResponse(broker, token, tokens, now)
    return tokens
  } catch (error) {
    if (error instanceof McpOAuthError && error.statusCode < 500) {
      await endGrant(broker, token, now)
    }
    // After a failure of the provider or the store the token stays valid, for the next request.
    await broker.marks.release('refreshing', token.id).catch(() => {})
    throw error
  }
}

/**
 * Obtains the next tokens. If the provider rotated its refresh token and a later step failed, the
 * new one is kept for the next request: a temporary fault must not sign users out.
 */
async function renew (
  context: TokenRequestContext,
  token: RefreshContent,
  scopes: readonly string[]
): Promise<TokenResponse> {
  const { broker, now } = context
  const kept = await recallSealed<Rotated>(broker, 'rotated', 'rotated', token, now)
  const current = kept === null ? token : { ...token, upstream: { refresh: kept.refresh } }
  let rotated: string | undefined
  try {
    return await broker.tokens.renew(context, current, scopes, refresh => {
      rotated = refresh
    })
  } catch (error) {
    if (rotated !== undefined) await keepRotated(broker, token, rotated, now)
    throw error
  }
}

async function keepRotated (
  { marks, log, revocation, sealer }: Broker,
  { id, grant }: RefreshContent,
  refresh: string,
  now: number
): Promise<void> {
  const content: Rotated = { id, refresh }
  const sealed = await sealer.seal('rotated', content, refreshTokenSeconds, now)
  await write(log, () => marks.remember('rotated', id, sealed, refreshTokenSeconds))
  await revocation.note(grant, refresh, accessTokenSeconds, now)
}

/**
 * Returns the response to an earlier request with this token, or null if the token is unused. Ends
 * the grant if the grace period is over, or if the key is another one.
 */
async function previousResponse (
  broker: Broker,
  token: RefreshContent,
  now: number
): Promise<TokenResponse | null> {
  const { marks } = broker
  // Read first: the mark is written after the response, so a request that sees the mark finds the
  // response, too.
  const used = await marks.isConsumed('refresh', token.id)
  const [ended, kept] = await Promise.all([
    marks.hasEnded(token.grant),
    recallSealed<KeptResponse>(broker, 'refreshed', 'answer', token, now)
  ])
  if (ended) throw invalidGrant('The grant has ended')
  if (kept !== null && kept.key === token.key) return kept.tokens
  if (kept === null && !used) return null
  await endGrant(broker, token, now)
  throw invalidGrant('The refresh token was used before: it was stolen, the grant has ended')
}

/**
 * Returns what the store keeps for a token. A value of another token, which a writer of the store
 * may have copied, is ignored.
 */
async function recallSealed<T extends { readonly id: string }> (
  { marks, sealer }: Broker,
  kind: string,
  purpose: 'rotated' | 'answer',
  { id }: RefreshContent,
  now: number
): Promise<T | null> {
  const sealed = await marks.recall(kind, id)
  const content = sealed === null ? null : await sealer.open(purpose, sealed, now) as T | null
  return content?.id === id ? content : null
}

async function keepResponse (
  { marks, sealer, log }: Broker,
  { id, key }: RefreshContent,
  tokens: TokenResponse,
  now: number
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

/** Ends the grant of a refresh token. */
export async function endGrant (
  { revocation }: Broker,
  { grant, upstream }: RefreshContent,
  now: number
): Promise<void> {
  await revocation.end(grant, now, 'refresh' in upstream ? upstream.refresh : upstream.access)
}
