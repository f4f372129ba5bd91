import type { FastifyInstance } from 'fastify'
import type { AuthorizationRequest } from '../oauth/authorization-request.ts'
import { single, type RequestParameters } from '../oauth/parameters.ts'
import { formatScope, mergeScopes } from '../oauth/scope.ts'
import { handleAuthorizationRequest } from '../clients/authorize.ts'
import { pageErrorHandler } from '../pages/page.ts'
import { publicRoute, rejectOtherMethods } from '../host/isolate.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `GET /oauth/authorize` of the thin proxies: checks the request and sends the browser on to the
 * provider with our client id.
 */
export function authorizeRoute (scope: FastifyInstance, proxy: ThinProxy): void {
  scope.get(
    '/oauth/authorize',
    {
      config: publicRoute,
      exposeHeadRoute: false,
      errorHandler: pageErrorHandler('authorize')
    },
    (request, reply) =>
      handleAuthorizationRequest(
        proxy,
        request,
        reply,
        async ({ params, client, authorization: asked }) => {
          const location = await providerUrl(proxy, params, asked)
          await proxy.tickets.issue(client.id, asked.codeChallenge, asked.redirectUri)
          return reply.redirect(location, 302)
        }
      )
  )
  rejectOtherMethods(scope, '/oauth/authorize', ['GET'])
}
const prompts = ['login', 'consent', 'select_account']

async function providerUrl (
  proxy: ThinProxy,
  params: RequestParameters,
  asked: AuthorizationRequest
): Promise<string> {
  const { authorization_endpoint: endpoint } = await proxy.endpoints()
  const { audience, defaultScopes } = proxy.config.provider
  const prompt = single(params, 'prompt')
  const resource = params.has('resource') || audience === null ? asked.resource : undefined
  const ours: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: proxy.clientId,
    redirect_uri: asked.redirectUri,
    scope: formatScope(mergeScopes(asked.scopes, defaultScopes)) || undefined,
    state: asked.state,
    code_challenge: asked.codeChallenge,
    code_challenge_method: 'S256',
    resource,
    audience: audience ?? undefined,
    prompt: prompt !== undefined && prompts.includes(prompt) ? prompt : undefined
  }
  // The operator's URL may have a query of its own (a tenant, a policy); none of its members may
  // double one of ours.
  const url = new URL(endpoint)
  for (const name of Object.keys(ours)) url.searchParams.delete(name)
  for (const [name, value] of Object.entries(ours)) {
    if (value !== undefined) url.searchParams.append(name, value)
  }
  return url.href
}
