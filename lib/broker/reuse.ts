/** When is a refresh token that was replaced a sign of theft, and what ends then? */
import { invalidGrant } from '../errors.ts'
import type { RefreshContent, TokenContext } from './tokens.ts'

/**
 * Ends the grant of a token that was replaced long ago, and returns the error. Tokens of a client
 * with credentials or a key are of no use to a thief: only the request is refused.
 */
export async function endReused (context: TokenContext & { token: RefreshContent }) {
  const { broker, client, isAuthenticated, token, now, report } = context
  const isSafe = isAuthenticated || token.key !== undefined
  const ends = broker.config.refresh.onReuse === 'revoke' && !isSafe
  if (ends) await broker.revocation.revokeGrant(token.grant, now, token.upstream)
  const error = invalidGrant(
    `The refresh token was replaced long ago${
      broker.config.dpop === 'off' ? '' : ', or was not bound to the key of its successor'
    }. ${
      ends ? 'It may be stolen, so the grant has ended' : 'The grant goes on with the newest token'
    }`
  )
  const { subject, grant } = token
  const { message: reason } = error.cause as Error
  report('token.reused', { subject, client, grant, ended: ends, reason }, error)
  if (ends) report('grant.revoked', { by: 'reuse', subject, client, grant })
  return error
}
