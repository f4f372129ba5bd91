import type { FastifyRequest } from 'fastify'
import { McpOAuthError } from '../../errors.ts'
import { clientCredentials } from '../../oauth/client-credentials.ts'
import type { RequestParameters } from '../../oauth/parameters.ts'
import type { Broker } from './broker.ts'

/**
 * Who is asking at the token and revocation endpoints. Clients are public: knowing the id is all there is, what binds them is PKCE. A client that
 * sends a secret all the same believes in one that never existed, and is told to register anew.
 *
 * @throws McpOAuthError `invalidClient` for clients that are unknown, expired, or send a secret
 */
export async function identify (broker: Broker, request: FastifyRequest, params: RequestParameters, now: number): Promise<string> {
  const { clientId, method } = clientCredentials(request.headers.authorization, params)
  if (method !== 'none' || !await broker.clients.accepts(clientId, now)) throw new McpOAuthError('invalidClient')
  return clientId
}
