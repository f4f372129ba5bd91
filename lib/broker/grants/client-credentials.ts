import { issueAccessToken, randomId, type TokenResponse } from '../access-token.ts'
import { machineGrant } from '../../store/one-time.ts'
import { lifetimes } from '../tokens.ts'
import { McpOAuthError } from '../../errors.ts'
import { missingScopes } from '../../oauth/scope.ts'
import type { ClientCredentialsRequest } from '../../oauth/token-request.ts'
import type { Broker } from '../broker.ts'

/**
 * The client_credentials grant (RFC 6749 §4.4): a token for a client that has proved who it is,
 * without any user. It is its own subject (RFC 9068 §2.2). Nobody logs in, so neither the provider
 * nor `authorizeUser` is asked; there is no refresh token, as the client can ask again.
 */
export async function machineTokens (
  broker: Broker,
  clientId: string,
  asked: ClientCredentialsRequest,
  key: string | undefined,
  now: number
): Promise<TokenResponse> {
  const { config: { requiredScopes, scopeHierarchy }, clients, signing } = broker
  const allowed = clients.listed(clientId)?.scopes ?? requiredScopes
  const scopes = asked.scopes ?? allowed
  if (missingScopes(allowed, scopes, scopeHierarchy).length > 0) {
    throw new McpOAuthError('invalidScope')
  }
  const { resource } = broker.urls()
  const content = {
    issuer: broker.issuer(),
    subject: clientId,
    clientId,
    resource,
    scopes,
    grant: machineGrant(clientId, randomId()),
    key
  }
  return await issueAccessToken(signing, content, lifetimes.access, now)
}
