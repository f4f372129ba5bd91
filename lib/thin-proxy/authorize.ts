/** How does a thin proxy send the browser to the provider? */
import { handleAuthorizationRequest, type ValidRequest } from '../clients/authorize.ts'
import type { Endpoint } from '../host/endpoint.ts'
import { mergeScopes } from '../oauth/scope.ts'
import { pageErrorHandler } from '../pages/page.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `GET /oauth/authorize` of the thin proxies: checks the request and redirects the browser to the
 * provider with our client id.
 */
export const authorizeEndpoint: Endpoint<ThinProxy> = {
  name: 'authorize',
  methods: ['GET'],
  anyOrigin: false,
  metadata: 'authorization_endpoint',
  errorHandler: pageErrorHandler('authorize'),
  handle: (proxy, request, reply) =>
    handleAuthorizationRequest(proxy, request, reply, async (valid) => {
      const { client, authorization: { codeChallenge, redirectUri } } = valid
      const location = await providerUrl(proxy, valid)
      await proxy.loginRecords.add(client.id, codeChallenge, redirectUri)
      return reply.redirect(location, 302)
    })
}

async function providerUrl (
  proxy: ThinProxy,
  { params, prompt, authorization }: ValidRequest
): Promise<string> {
  const { authorizationEndpoint } = await proxy.providerMetadata()
  const { audience, defaultScopes } = proxy.config.provider
  const ours: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: proxy.clientId,
    redirect_uri: authorization.redirectUri,
    scope: mergeScopes(authorization.scopes, defaultScopes).join(' ') || undefined,
    state: authorization.state,
    code_challenge: authorization.codeChallenge,
    code_challenge_method: 'S256',
    resource: params.has('resource') || audience === null ? authorization.resource : undefined,
    audience: audience ?? undefined,
    prompt
  }
  // The operator's URL may have a query (a tenant, a policy), but must not repeat our parameters.
  const url = new URL(authorizationEndpoint)
  for (const [name, value] of Object.entries(ours)) {
    url.searchParams.delete(name)
    if (value !== undefined) url.searchParams.append(name, value)
  }
  return url.href
}
