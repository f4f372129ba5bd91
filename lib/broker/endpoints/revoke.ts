/** How does a client end a grant? */

import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { tokenSkewSeconds } from '../../limits.ts'
import { required } from '../../oauth/parameters.ts'
import { useOnce } from '../../store/single-use.ts'
import type { Claims } from '../../verifiers/claims.ts'
import type { Broker } from '../broker.ts'
import {
  assertSigned,
  authenticateClient,
  type AuthenticatedClient
} from '../client-authentication.ts'
import { isOnLoan, loanOf } from '../own-tokens.ts'
import { openOwn, type RefreshContent } from '../tokens.ts'

/**
 * `POST /oauth/revoke` (RFC 7009): ends the grant of an access or refresh token, here and at the
 * provider. For an invalid token, or one of another client, the response is the same and nothing
 * ends.
 */
export const revokeEndpoint: Endpoint<Broker> = {
  name: 'revoke',
  methods: ['POST'],
  limit: 'token',
  anyOrigin: true,
  metadata: 'revocation_endpoint',
  body: 'form',
  async handle (broker, request, reply) {
    const params = formOf(request)
    const now = broker.now()
    const token = required(params, 'token')
    const client = await authenticateClient(broker, request, params, now, true)
    const { assertions, clientId } = client
    const isGone = () => reply.raw.destroyed
    const ended = await useOnce(assertions, isGone, () => revoke(broker, client, token, now))
    if (ended !== null) {
      const named = { id: clientId, name: await broker.clients.nameOf(clientId) }
      broker.events.of(request)('grant.revoked', { by: 'client', client: named, ...ended })
    }
    return reply.code(200).send()
  }
}

/** @returns the grant that ended, or null */
async function revoke (
  broker: Broker,
  { clientId, isAuthenticated }: AuthenticatedClient,
  token: string,
  now: number
) {
  const { marks, revocation, signing } = broker
  const refresh = await openOwn<RefreshContent>({ broker, clientId, now }, 'refresh', token)
  if (refresh !== null) {
    assertSigned({ isAuthenticated }, refresh)
    const { grant, subject, upstream } = refresh
    await revocation.revokeGrant(grant, now, upstream)
    return { grant, subject }
  }
  const claims: Claims = await (await signing()).read(token, now) ?? {}
  const { client_id: client, gid: grant, sub, sgn } = claims
  const subject = String(sub)
  if (client !== clientId || typeof grant !== 'string') return null
  // Listed clients always authenticate: their tokens do not have the claim.
  assertSigned({ isAuthenticated }, { signs: sgn === true || undefined })
  if (isOnLoan(claims)) {
    await marks.revoke(loanOf(claims), Math.ceil(Number(claims.exp) - now) + tokenSkewSeconds)
    return { subject }
  }
  await revocation.revokeGrant(grant, now)
  return { grant, subject }
}
