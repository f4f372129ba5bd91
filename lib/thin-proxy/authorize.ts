/** How does a thin proxy send the browser to the provider? */
import { handleAuthorizationRequest } from '../clients/authorize.ts'
import type { Endpoint } from '../host/endpoint.ts'
import { mergeScopes } from '../oauth/scope.ts'
import { pageErrorHandler } from '../pages/errors.ts'
import { authorizationUrl } from '../provider/client.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `GET /oauth/authorize` of the thin proxies: checks the request and redirects the browser to the
 * provider with our client id.
 */
export const authorizeEndpoint: Endpoint<ThinProxy> = {
  name: 'authorize',
  methods: ['GET'],
  limit: 'authorize',
  metadata: 'authorization_endpoint',
  errorHandler: pageErrorHandler('authorize'),
  handle: (proxy, request, reply) =>
    handleAuthorizationRequest(proxy, request, reply, async (valid) => {
      const { client, authorization, params, prompt } = valid
      const { redirectUri, codeChallenge, scopes, state, resource } = authorization
      const { audience, defaultScopes } = proxy.config.provider
      const { authorizationEndpoint } = await proxy.providerMetadata()
      const location = authorizationUrl(authorizationEndpoint, {
        client_id: proxy.clientId,
        redirect_uri: redirectUri,
        scope: mergeScopes(scopes, defaultScopes).join(' ') || null,
        state,
        code_challenge: codeChallenge,
        resource: params.has('resource') || audience === null ? resource : null,
        audience,
        prompt
      })
      await proxy.loginRecord(client.id, codeChallenge).add(redirectUri)
      return reply.redirect(location, 302)
    })
}
