/** How does a client end a grant? */

import { McpOAuthError } from '../../errors.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { single } from '../../oauth/parameters.ts'
import type { Broker } from '../broker.ts'
import { authenticateClient } from '../client-authentication.ts'

/**
 * `POST /oauth/revoke` (RFC 7009): ends the grant of an access or refresh token, here and at the
 * provider. For an invalid token, or one of another client, the response is the same and nothing
 * ends.
 */
export const revokeEndpoint: Endpoint<Broker> = {
  name: 'revoke',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'revocation_endpoint',
  body: 'form',
  async handle (broker, request, reply) {
    const params = formOf(request)
    const now = Date.now() / 1000
    const token = single(params, 'token')
    if (token === undefined) {
      throw new McpOAuthError('invalidRequest', { description: 'The parameter token is missing.' })
    }
    const clientId = await authenticateClient(broker, request, params, now)
    await endGrant(broker, clientId, token, now)
    return reply.code(200).send()
  }
}

async function endGrant (
  { tokens, signing, revocation }: Broker,
  clientId: string,
  token: string,
  now: number
): Promise<void> {
  const refresh = await tokens.openRefresh(token, { clientId, now })
  if (refresh !== null) return await tokens.end(refresh, now)
  const claims = await signing.read(token, now)
  if (claims?.['client_id'] === clientId && typeof claims['gid'] === 'string') {
    await revocation.end(claims['gid'], now)
  }
}
