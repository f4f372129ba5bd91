/** How does an authorization request become a consent page? */
import { handleAuthorizationRequest, type ValidRequest } from '../../clients/authorize.ts'
import { hasNoRefresh, mustSign } from '../../clients/clients.ts'
import { requestedKey } from '../../dpop/rules.ts'
import type { Endpoint } from '../../host/endpoint.ts'
import { maxNamedClientChars, maxSealedRequestChars } from '../../limits.ts'
import { invalidRequest, single, type RequestParameters } from '../../oauth/parameters.ts'
import { invalidScope, missingScopes } from '../../oauth/scope.ts'
import { replyWithConsentPage } from '../../pages/consent.ts'
import { pageErrorHandler } from '../../pages/errors.ts'
import { hash } from '../../util/hash.ts'
import type { Broker } from '../broker.ts'
import { grantOf } from '../logins.ts'
import { randomId } from '../tokens.ts'

/**
 * OpenID Connect Core §3.1.2.1, and Initiating User Registration via OpenID Connect. `consent` ends
 * here, because this page asks: at some providers only administrators may consent.
 */
const prompts = ['login', 'select_account', 'create']

/** Content of the consent page. */
export type ConsentRequest = ReturnType<typeof consentRequest>

/**
 * `GET /oauth/authorize` (RFC 6749 §4.1.1): checks the request and asks the user for consent. The
 * request is not stored. The only cookie proves later that this browser received the page.
 */
export const authorizeEndpoint: Endpoint<Broker> = {
  name: 'authorize',
  methods: ['GET'],
  limit: 'authorize',
  metadata: 'authorization_endpoint',
  legacy: true,
  errorHandler: pageErrorHandler('authorize'),
  handle: (broker, request, reply) =>
    handleAuthorizationRequest(broker, request, reply, async (valid) => {
      const { client, authorization: { redirectUri, resource } } = valid
      const cookies = await broker.cookies()
      const csrf = cookies.anyCsrf(request.headers.cookie) ?? randomId()
      const content = consentRequest(broker, valid, csrf)
      const lifetime = broker.config.lifetimes.consent
      const sealed = await broker.sealer.seal('request', content, lifetime, broker.now())
      if (sealed.length > maxSealedRequestChars) throw invalidRequest('The request is too long.')
      reply.header('set-cookie', cookies.setCsrf(csrf))
      broker.events.of(request)('login.started', {
        client: { id: client.id, name: client.name },
        grant: grantOf(content.id),
        redirectUri,
        scopes: content.scopes
      })
      return await replyWithConsentPage(reply, {
        action: `${broker.urls().base}/oauth/consent`,
        sealed,
        client,
        redirectUri,
        scopes: content.offline ? [...content.scopes, 'offline_access'] : content.scopes,
        tools: toolsFor(broker, content.scopes),
        resource,
        provider: new URL(broker.config.provider.issuer).host,
        consent: broker.config.consent
      })
    })
}

/** Sealed into the consent page: the whole request, bound to the browser that received it. */
function consentRequest (broker: Broker, valid: ValidRequest, csrf: string) {
  const { params, client, authorization } = valid
  const { redirectUri, codeChallenge, resource, state } = authorization
  return {
    /** The login at the provider follows from it. */
    id: randomId(),
    /** Hash of the browser's CSRF cookie. */
    browser: hash(csrf),
    client: hash(client.id),
    named: { id: client.id.length <= maxNamedClientChars ? client.id : null, name: client.name },
    redirectUri,
    scopes: scopesFor(broker, valid),
    codeChallenge,
    resource,
    key: broker.config.dpop === 'off' ? undefined : requestedKey(params),
    bound: broker.config.dpop === 'off' ? undefined : client.dpopBound,
    signs: broker.clients.listed(client.id) === undefined && mustSign(client)
      ? true as const
      : undefined,
    once: hasNoRefresh(client.grantTypes) || undefined,
    state,
    prompt: promptOf(params),
    /** The client requested `offline_access`: the provider is asked for a refresh token. */
    offline: authorization.scopes.includes('offline_access') || undefined
  }
}

/** The tools that a client can call with some scopes, if the page may list them. */
function toolsFor ({ config, tools }: Broker, scopes: readonly string[]) {
  const { consent, mcp, scopeHierarchy } = config
  return consent.tools ?? mcp.authorizeTool === undefined
    ? tools().filter(tool => missingScopes(scopes, tool.scopes, scopeHierarchy).length === 0)
    : []
}

/** The values of `prompt` for the provider. */
function promptOf (params: RequestParameters) {
  const requested = single(params, 'prompt')?.split(' ') ?? []
  return requested.filter(value => prompts.includes(value)).join(' ') || undefined
}

/** The scopes of our tokens. Scopes about the user, such as `openid`, concern the provider only. */
function scopesFor ({ config, catalog }: Broker, { client, authorization }: ValidRequest) {
  const known = catalog()
  const requested = authorization.scopes.filter(name => known.includes(name))
  const scopes = requested.length > 0 ? requested : config.requiredScopes
  const denied = client.scopes ? missingScopes(client.scopes, scopes, config.scopeHierarchy) : []
  if (denied.length === 0) return scopes
  throw invalidScope('the client may not have these scopes', denied)
}
