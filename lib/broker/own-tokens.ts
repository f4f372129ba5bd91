/** Was an access token of ours revoked, alone or with others? */

import { machineGrant } from '../store/one-time.ts'
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
  const { sub, client_id: client, gid, gat, iat, ups, gty, act, gcl, lat, xat } = claims
  // The clients that registered end with their registration. Workloads have none.
  const hasRegistered = config.setupFakeDynamicRegistration
  const hasClient = gty !== 'workload' || act !== undefined
  if (!hasRegistered && hasClient && !await clients.accepts(String(client))) return true
  const session = ups as string | undefined
  const token = { subject: String(sub), since: Number(gat ?? iat), session }
  const owner = ownerOf(config, String(client), token)
  // A token that was exchanged is revoked with its subject, with its client and with the lender.
  const ofClient = (id: unknown, seconds: unknown) =>
    id === undefined ? [] : [{ client: String(id), at: Math.round(1000 * Number(seconds)) }]
  const owners = xat === undefined
    ? [owner]
    : [{ ...owner, client: undefined }, ...ofClient(client, xat), ...ofClient(gcl, lat ?? gat)]
  const ids = [String(gid), ...(isOnLoan(claims) ? [loanOf(claims)] : [])]
  const ended = await Promise.all([
    ...ids.map(id => isNow ? marks.isRevokedNow(id) : marks.isRevoked(id)),
    ...owners.map(owner => isNow ? revocations.isRevokedNow(owner) : revocations.isRevoked(owner))
  ])
  return ended.includes(true)
}

/**
 * Whether a token belongs to a grant of another client than its own. That client may end the token,
 * but not the grant.
 */
export const isOnLoan = ({ gcl, client_id: client }: Claims) => gcl !== undefined && gcl !== client

/** Names a token on loan in the store, among those of its client alone. */
export const loanOf = ({ client_id: client, jti }: Claims) =>
  machineGrant(String(client), String(jti))
