import { setTimeout as sleep } from 'node:timers/promises'
import type { TokenResponse } from '../access-token.ts'
import { lifetimes, type RefreshContent } from '../tokens.ts'
import { hash } from '../../util/hash.ts'
import type { Log } from '../../types.ts'
import { McpOAuthError } from '../../errors.ts'
import { invalidGrant, type Grant, type TokenRequestContext } from './grant.ts'
import { retry } from '../../http/retry.ts'
import { parseRefreshToken, type RefreshTokenRequest } from '../../oauth/token-request.ts'
import type { Broker } from '../broker.ts'

/**
 * Seconds before somebody else may try: longer than a turn, metadata, tokens, keys, the look at the
 * user, the hook and the store take together at most.
 */
const lockLifetime = 45
/**
 * Milliseconds between looks at what another request with the same token achieved, and how many of
 * them.
 */
const [lookEvery, looks] = [100, 70]
/**
 * Milliseconds after which the store is asked once more to write down what must not be lost: longer
 * together than the pause in which one that fails is spared.
 */
const pauses = [100, 1_200]

/**
 * What the store keeps of a refresh, sealed: for which token, with a proof of which key, and the
 * answer.
 */
interface Answer {
  readonly id: string
  readonly key?: string | undefined
  readonly tokens: TokenResponse
}

/** The provider's new refresh token, where we could not answer. */
interface Rotated {
  readonly id: string
  readonly refresh: string
}

/**
 * The refresh_token grant (RFC 6749 §6). Every token is used once. Requests that bring the same
 * token at the same time, or within 30 s because an answer was lost, get the same answer; the same
 * token later is a theft and ends the grant (RFC 9700 §4.14).
 */
export const refreshToken: Grant<RefreshTokenRequest> = {
  type: 'refresh_token',
  isDefault: true,
  isOffered: () => true,
  parse: parseRefreshToken,
  handle: refresh
}

async function refresh (
  { broker, clientId, key, now }: TokenRequestContext,
  asked: RefreshTokenRequest
): Promise<TokenResponse> {
  const sent = await broker.tokens.openRefresh(asked.refreshToken, now)
  if (sent === null || sent.client !== hash(clientId)) {
    throw invalidGrant('the refresh token is expired, of another client, or none')
  }
  // RFC 9449 §5: what was issued to a public client for a key is worth nothing without it.
  if (
    sent.key !== undefined && sent.key !== key && !broker.clients.isConfidential(clientId)
  ) { throw invalidGrant('the refresh token is bound to another key') }
  // One that is bound to no key becomes bound when its client begins to use one.
  const token = { ...sent, key }
  if (asked.resource !== undefined && asked.resource !== token.resource) {
    throw new McpOAuthError('invalidTarget')
  }
  const scopes = asked.scopes ?? token.scopes
  if (scopes.some(scope => !token.scopes.includes(scope))) throw new McpOAuthError('invalidScope')

  for (let look = 0; look < looks; look++) {
    const tokens = await answerBefore(broker, token, now)
    if (tokens !== null) return tokens
    if (await broker.marks.consume('refreshing', token.id, lockLifetime)) {
      return await first(broker, clientId, token, scopes, now)
    }
    await sleep(lookEvery)
  }
  throw new McpOAuthError('providerTimeout')
}

async function first (
  broker: Broker,
  clientId: string,
  token: RefreshContent,
  scopes: readonly string[],
  now: number
): Promise<TokenResponse> {
  const { marks } = broker
  try {
    // Somebody may have finished between the look and the lock.
    const before = await answerBefore(broker, token, now)
    if (before !== null) return before
    const tokens = await renewed(broker, clientId, token, scopes, now)
    await remember(broker, token, tokens, now)
    return tokens
  } catch (error) {
    if (error instanceof McpOAuthError && error.statusCode < 500) await endGrant(broker, token, now)
    // The provider or the store did not answer: the token stays good, and the next one may try at
    // once.
    await marks.release('refreshing', token.id).catch(() => {})
    throw error
  }
}

/**
 * Where the provider rotated its token and something failed after that (a look at the user, the
 * operator's hook), the new one is kept for the next attempt: a passing fault shall not sign users
 * out.
 */
async function renewed (
  { tokens, marks, log, revocation, sealer }: Broker,
  clientId: string,
  token: RefreshContent,
  scopes: readonly string[],
  now: number
): Promise<TokenResponse> {
  const sealed = await marks.recall('rotated', token.id)
  const kept = sealed === null ? null : await sealer.open('rotated', sealed, now) as Rotated | null
  const next: { refresh?: string } = {}
  try {
    const current = kept?.id === token.id
      ? { ...token, upstream: { refresh: kept.refresh } }
      : token
    return await tokens.renew(clientId, current, scopes, now, refresh => {
      next.refresh = refresh
    })
  } catch (error) {
    const { refresh } = next
    if (refresh !== undefined) {
      const content: Rotated = { id: token.id, refresh }
      const rotated = await sealer.seal('rotated', content, lifetimes.refresh, now)
      await write(log, () => marks.remember('rotated', token.id, rotated, lifetimes.refresh))
      await revocation.note(token.grant, refresh, lifetimes.access, now)
    }
    throw error
  }
}

/**
 * What this token was answered with before, or null if it is unused. Ends the grant if that was too
 * long ago, or for somebody with another key.
 */
async function answerBefore (
  broker: Broker,
  token: RefreshContent,
  now: number
): Promise<TokenResponse | null> {
  const { marks, sealer } = broker
  // Asked first: the answer is written before this mark is, so whoever sees the mark finds the
  // answer too.
  const used = await marks.isConsumed('refresh', token.id)
  const [revoked, sealed] = await Promise.all([
    marks.hasEnded(token.grant),
    marks.recall('refreshed', token.id)
  ])
  if (revoked) throw invalidGrant('the grant has ended')
  const answer = sealed === null ? null : await sealer.open('answer', sealed, now) as Answer | null
  // Whoever can write to the store must not be able to answer one token with what another one was
  // answered.
  const before = answer?.id === token.id ? answer : null
  if (before !== null && before.key === token.key) return before.tokens
  if (before === null && !used) return null
  await endGrant(broker, token, now)
  throw invalidGrant('the refresh token was used before: it was stolen, and the grant has ended')
}

async function remember (
  { marks, sealer, log }: Broker,
  token: RefreshContent,
  tokens: TokenResponse,
  now: number
): Promise<void> {
  const content: Answer = { id: token.id, key: token.key, tokens }
  const answer = await sealer.seal('answer', content, lifetimes.grace, now)
  await write(log, async () => {
    await marks.remember('refreshed', token.id, answer, lifetimes.grace)
    await marks.consume('refresh', token.id, lifetimes.refresh)
  })
}

/**
 * If the provider rotated its token and the store fails now, the grant is lost. So the store is
 * asked more than once.
 */
async function write (log: Log, operation: () => Promise<void>): Promise<void> {
  try {
    await retry(operation, { delays: pauses })
  } catch (err) {
    log.error(
      { err },
      'A refreshed grant could not be remembered: if the provider rotates its tokens, the user has to sign in again'
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
