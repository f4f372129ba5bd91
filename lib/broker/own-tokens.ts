/** Was an access token of ours revoked, alone or with others? */

import { hash } from '../util/hash.ts'
import { machineOf } from '../store/one-time.ts'
import type { Claims } from '../verifiers/claims.ts'
import type { Broker } from './broker.ts'
import { ownerOf } from './revocation.ts'

/**
 * Whether an access token was revoked at most a second ago or earlier.
 *
 * @param isNow reads the store in place of the cache. Default: false
 */
export async function isEnded (
  { clients, config, marks, revocations }: Broker,
  claims: Claims,
  isNow = false
) {
  const { sub, client_id: client, gid, gat, iat, ups, gty, act } = claims
  // The clients that registered end with their registration. Workloads have none.
  const hasRegistered = config.setupFakeDynamicRegistration
  const hasClient = gty !== 'workload' || act !== undefined
  if (!hasRegistered && hasClient && !await clients.accepts(String(client))) return true
  const session = ups as string | undefined
  const token = { subject: String(sub), since: Number(gat ?? iat), session }
  const owner = ownerOf(config, String(client), token)
  const ids = [String(gid), ...(isOnLoan(claims) ? [String(claims.jti)] : [])]
  const ended = await Promise.all([
    ...ids.map(id => isNow ? marks.isRevokedNow(id) : marks.isRevoked(id)),
    isNow ? revocations.isRevokedNow(owner) : revocations.isRevoked(owner)
  ])
  return ended.includes(true)
}

/**
 * Whether a token belongs to a grant of another client than its own. That client may end the token,
 * but not the grant.
 */
export function isOnLoan ({ act, gid, client_id: client }: Claims) {
  return act !== undefined && machineOf(String(gid)) !== hash(String(client))
}
