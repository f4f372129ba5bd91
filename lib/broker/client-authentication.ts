import type { FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import {
  isSecretOf,
  parseClientAuthentication,
  type ClientAuthentication
} from '../oauth/client-authentication.ts'
import type { RequestParameters } from '../oauth/parameters.ts'
import type { Broker } from './broker.ts'

/**
 * Who is asking at the token and revocation endpoints. Clients that the operator gave a secret or
 * keys have to use them. All others are public: knowing the id is all there is, what binds them is
 * PKCE. One that sends a secret all the same believes in one that never existed, and is told to
 * register anew.
 *
 * @throws McpOAuthError `invalidClient`, the same for clients that are unknown, expired, or do not
 *   prove who they are in the way they have to
 */
export async function authenticateClient (
  broker: Broker,
  request: FastifyRequest,
  params: RequestParameters,
  now: number
): Promise<string> {
  const sent = parseClientAuthentication(request.headers.authorization, params)
  const { clientId } = sent
  const { secretHashes, jwks } = broker.clients.listed(clientId) ?? {}
  if (jwks) {
    if (sent.method !== 'private_key_jwt') throw refused('signs no assertion')
    await broker.clientAssertions.accept(clientId, sent.assertion, now)
  } else if (secretHashes) {
    if (!('secret' in sent) || !isSecretOf(secretHashes, sent.secret)) {
      throw refused('sends no secret, or a wrong one')
    }
  } else if (!isPublic(sent) || !await broker.clients.accepts(clientId, now)) {
    throw refused('is unknown, or is public and sends a secret')
  }
  return clientId
}

/**
 * Clients with a document sign where they read in our metadata that some do. To us they are public,
 * so that nothing hangs on it.
 */
function isPublic ({ method, clientId }: ClientAuthentication): boolean {
  return method === 'none' || (method === 'private_key_jwt' && clientId.startsWith('https://'))
}

function refused (reason: string): McpOAuthError {
  return new McpOAuthError('invalidClient', { cause: new Error(`The client ${reason}`) })
}
