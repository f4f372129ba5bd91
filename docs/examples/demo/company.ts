import * as oidc from 'openid-client'
import { headlessLogin } from './browser.ts'
import { identityAssertions } from './identity-assertions.ts'
import { startProvider } from './provider.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** Nothing listens there: the login ends when the browser is about to go. */
const redirectUri = 'http://127.0.0.1:4712/callback'
/** The assistant at the provider of the company. */
const registration = { clientId: 'assistant-at-provider', clientSecret: 'x'.repeat(40) }

/**
 * Starts the identity provider of a company, which issues assertions for an MCP server. Alice has
 * signed in there to the assistant.
 *
 * @param clientId the id of the assistant at the MCP server
 * @param scopes what an administrator lets it do there
 */
export async function startCompany (
  server: string,
  clientId = 'assistant',
  scopes = ['notes:read']
) {
  const { issuer, close } = await startProvider({
    registration: false,
    clients: [{
      client_id: registration.clientId,
      client_secret: registration.clientSecret,
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token', exchange],
      response_types: ['code']
    }],
    ...identityAssertions([{
      audience: server,
      resource: `${server}/mcp`,
      clientIds: { [registration.clientId]: clientId },
      scopes
    }])
  })
  const { refreshToken, ...user } = await signIn(issuer)
  return { issuer, user: { ...registration, ...user }, refreshToken, close }
}

async function signIn (issuer: string) {
  const config = await oidc.discovery(
    new URL(issuer),
    registration.clientId,
    undefined,
    oidc.ClientSecretPost(registration.clientSecret),
    { execute: [oidc.allowInsecureRequests] }
  )
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const page = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid offline_access',
    prompt: 'consent',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256'
  })
  const { url } = await headlessLogin(page, { user: 'alice', stopAt: redirectUri })
  const tokens = await oidc.authorizationCodeGrant(config, url, { pkceCodeVerifier })
  return {
    idToken: String(tokens.id_token),
    refreshToken: String(tokens.refresh_token),
    tokenEndpoint: String(config.serverMetadata().token_endpoint)
  }
}
