/** How does a client without a user obtain a token? */

import { invalidScope, missingScopes } from '../../oauth/scope.ts'
import { parseClientCredentials } from '../../oauth/token-request.ts'
import { machineGrant } from '../../store/one-time.ts'
import { issueAccessToken, randomId, type Grant } from '../tokens.ts'

/**
 * The client_credentials grant (RFC 6749 §4.4): an access token for an authenticated client, which
 * is its own subject (RFC 9068 §2.2). Without a user, neither the provider nor `authorizeUser` is
 * called. There is no refresh token: the client can authenticate again.
 */
export const clientCredentials: Grant<typeof parseClientCredentials> = {
  type: 'client_credentials',
  isOffered: ({ clients }) =>
    clients.some(({ grantTypes }) => grantTypes?.includes('client_credentials')),
  parse: parseClientCredentials,
  async handle (context, request) {
    const { broker: { config, clients, urls }, clientId, client, key, now: since, report } = context
    const allowed = clients.listed(clientId)?.scopes ?? config.requiredScopes
    const scopes = request.scopes ?? allowed
    const missing = missingScopes(allowed, scopes, config.scopeHierarchy)
    if (missing.length > 0) throw invalidScope('the client may not have these scopes', missing)
    const grant = machineGrant(clientId, randomId())
    const { resource } = urls()
    const claims = { gty: 'client_credentials' }
    const content = { grant, subject: clientId, resource, scopes, claims, key, since }
    const response = await issueAccessToken(context, content, config.lifetimes.access)
    report('token.issued', { subject: clientId, client, grant, scopes })
    return response
  }
}
