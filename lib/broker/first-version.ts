/** Which values did version 0.1.0 leave in the store for its refresh tokens? */

import { failure } from '../errors.ts'
import type { RefreshContent, TokenContext } from './tokens.ts'

/**
 * Returns the response to a refresh token of version 0.1.0 that was used less than 30 seconds ago.
 * A token of the provider that its failed refresh left replaces that in the token.
 *
 * @throws {McpOAuthError} `invalidGrant` if the token was used before
 */
export async function oldResponse (
  { broker: { marks, kept }, key, now }: TokenContext,
  token: RefreshContent
) {
  const { id, generation } = token
  if (generation !== undefined) return null
  const [answer, rotated, isUsed] = await Promise.all([
    kept.recall('answer', id, now),
    kept.recall('rotated', id, now),
    marks.isConsumed('refresh', id)
  ])
  if (answer && answer.key === key) return answer.tokens
  if (isUsed) throw failure('invalidGrant', 'The refresh token was used before the upgrade')
  if (rotated) token.upstream = { refresh: rotated.refresh }
  return null
}
