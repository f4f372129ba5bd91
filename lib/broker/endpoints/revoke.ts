import type { FastifyReply, FastifyRequest } from 'fastify'
import { hash } from '../../util/hash.ts'
import { McpOAuthError } from '../../errors.ts'
import { single } from '../../oauth/parameters.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import type { Broker } from '../broker.ts'
import { authenticateClient } from '../client-authentication.ts'
import { endGrant } from '../grants/refresh-token.ts'

/**
 * `POST /oauth/revoke` (RFC 7009): ends the grant of an access or refresh token, here and at the
 * provider. Tokens that are not the client's, or no tokens at all, are answered alike and nothing
 * happens.
 */
export const revokeEndpoint: Endpoint<Broker> = {
  name: 'revoke',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'revocation_endpoint',
  body: 'form',
  handle: revoke
}

async function revoke (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const params = formOf(request)
  const now = Date.now() / 1000
  const token = single(params, 'token')
  if (token === undefined) {
    throw new McpOAuthError('invalidRequest', { description: 'The parameter token is missing.' })
  }
  const clientId = await authenticateClient(broker, request, params, now)
  await end(broker, clientId, token, now)
  return reply.code(200).send()
}

async function end (broker: Broker, clientId: string, token: string, now: number): Promise<void> {
  const refresh = await broker.tokens.openRefresh(token, now)
  if (refresh !== null) {
    if (refresh.client === hash(clientId)) await endGrant(broker, refresh, now)
    return
  }
  const claims = await broker.signing.read(token, now)
  if (claims?.['client_id'] === clientId && typeof claims['gid'] === 'string') {
    await broker.revocation.end(claims['gid'], now)
  }
}
