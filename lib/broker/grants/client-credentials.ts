/** How does a client without a user obtain a token? */

import { McpOAuthError } from '../../errors.ts'
import { accessTokenSeconds } from '../../limits.ts'
import { missingScopes } from '../../oauth/scope.ts'
import { parseClientCredentials, type ClientCredentialsRequest } from '../../oauth/token-request.ts'
import { machineGrant } from '../../store/one-time.ts'
import { issueAccessToken, randomId } from '../access-token.ts'
import type { Grant } from './grant.ts'

/**
 * The client_credentials grant (RFC 6749 §4.4): an access token for an authenticated client, which
 * is its own subject (RFC 9068 §2.2). Without a user, neither the provider nor `authorizeUser` is
 * called. There is no refresh token: the client can authenticate again.
 */
export const clientCredentials: Grant<ClientCredentialsRequest> = {
  type: 'client_credentials',
  isDefault: false,
  isOffered: ({ clients }) =>
    clients.some(({ grantTypes }) => grantTypes?.includes('client_credentials')),
  parse: parseClientCredentials,
  async handle ({ broker, clientId, key, now }, request) {
    const { config: { requiredScopes, scopeHierarchy }, clients, signing } = broker
    const allowed = clients.listed(clientId)?.scopes ?? requiredScopes
    const scopes = request.scopes ?? allowed
    if (missingScopes(allowed, scopes, scopeHierarchy).length > 0) {
      throw new McpOAuthError('invalidScope')
    }
    const grant = {
      grant: machineGrant(clientId, randomId()),
      subject: clientId,
      resource: broker.urls().resource,
      scopes,
      key
    }
    const options = { issuer: broker.issuer(), clientId, lifetime: accessTokenSeconds, now }
    return await issueAccessToken(signing, grant, options)
  }
}
