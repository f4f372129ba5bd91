/** Which client sent a request to the token or revocation endpoint? */

import type { FastifyRequest } from 'fastify'
import { failure, type McpOAuthError } from '../errors.ts'
import { isSecretOf, parseClientAuthentication } from '../oauth/client-authentication.ts'
import type { RequestParameters } from '../oauth/parameters.ts'
import type { Broker } from './broker.ts'

/**
 * Authenticates the client of a request (RFC 6749 §2.3). A client that the operator gave a secret
 * or keys must use them. All others are public and prove themselves by PKCE. A public client that
 * sends a secret has a registration of another server: the error lets it register again.
 *
 * @returns the id of the client
 * @throws {McpOAuthError} `invalidClient`, the same for clients that are unknown, expired or not
 *   authenticated; `invalidRequest`; `storeUnavailable`
 */
export async function authenticateClient (
  broker: Broker,
  request: FastifyRequest,
  params: RequestParameters,
  now: number
): Promise<string> {
  const credentials = parseClientAuthentication(request.headers.authorization, params)
  const { clientId, method } = credentials
  const { secretHashes, jwks } = broker.clients.listed(clientId) ?? {}
  if (jwks) {
    if (method !== 'private_key_jwt') throw rejected('sent no assertion')
    await broker.verifyAssertion(clientId, credentials.assertion, now)
  } else if (secretHashes) {
    if (!('secret' in credentials) || !isSecretOf(secretHashes, credentials.secret)) {
      throw rejected('sent no secret, or a wrong one')
    }
  } else {
    // Clients with a metadata document may sign, because our metadata offers it. They are public to
    // us, so the signature does not matter.
    const isPublic = method === 'none' ||
      (method === 'private_key_jwt' && clientId.startsWith('https://'))
    if (!isPublic || !await broker.clients.accepts(clientId, now)) {
      throw rejected('is unknown, or is public and sent a secret')
    }
  }
  return clientId
}

function rejected (reason: string): McpOAuthError {
  return failure('invalidClient', `The client ${reason}`)
}
