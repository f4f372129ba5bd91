import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasNoRefresh } from '../../clients/clients.ts'
import { hash } from '../../util/hash.ts'
import { loginLifetime } from '../login-state.ts'
import { causeWith, McpOAuthError } from '../../errors.ts'
import { requestedKey } from '../../dpop/rules.ts'
import { missingScopes } from '../../oauth/scope.ts'
import { handleAuthorizationRequest } from '../../clients/authorize.ts'
import { replyWithConsentPage } from '../../pages/consent.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import type { Endpoint } from '../../host/endpoint.ts'
import type { Broker } from '../broker.ts'

/**
 * What is sealed into the consent page: the whole request, bound to the browser that was shown it.
 */
export interface ConsentRequest {
  readonly id: string
  /** Hash of the browser's CSRF cookie. */
  readonly browser: string
  readonly client: string
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly codeChallenge: string
  readonly resource: string
  readonly key?: string
  readonly once?: true
  readonly state?: string
  readonly prompt?: string
  /** The client wants to stay logged in: the provider is asked for a refresh token. */
  readonly offline?: true
}

/**
 * Longest sealed request, in characters. It goes on as a cookie with a little more in it, and
 * browsers drop those of more than 4096.
 */
const maxSealed = 3_800

/**
 * `GET /oauth/authorize` (RFC 6749 §4.1.1): checks the request and asks the user. Nothing is
 * stored, no cookie is set but the one that proves, when the form comes back, that this browser was
 * shown it.
 */
export const authorizeEndpoint: Endpoint<Broker> = {
  name: 'authorize',
  methods: ['GET'],
  anyOrigin: false,
  metadata: 'authorization_endpoint',
  legacy: true,
  errorHandler: pageErrorHandler('authorize'),
  handle: askUser
}

function askUser (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  return handleAuthorizationRequest(
    broker,
    request,
    reply,
    async ({ params, client, prompt, authorization: asked }) => {
      const cookies = broker.cookies()
      const csrf = cookies.csrf(request.headers.cookie) ?? randomBytes(16).toString('base64url')
      const key = broker.config.dpop === 'off' ? undefined : requestedKey(params)
      const catalog = broker.catalog()
      // Scopes about the user are between us and the provider. What is left may be nothing: then
      // it is what the route needs at least.
      const known = asked.scopes.filter(name => catalog.includes(name))
      const scopes = known.length > 0 ? known : broker.config.requiredScopes
      const beyond = client.scopes
        ? missingScopes(client.scopes, scopes, broker.config.scopeHierarchy)
        : []
      if (beyond.length > 0) {
        throw new McpOAuthError('invalidScope', {
          cause: causeWith('this client cannot have these scopes', beyond.join(' '))
        })
      }
      const content: ConsentRequest = {
        id: randomBytes(12).toString('base64url'),
        browser: hash(csrf),
        client: hash(client.id),
        redirectUri: asked.redirectUri,
        scopes,
        codeChallenge: asked.codeChallenge,
        resource: asked.resource,
        ...(key !== undefined && { key }),
        ...(hasNoRefresh(client.grantTypes) && { once: true }),
        ...(asked.state !== undefined && { state: asked.state }),
        ...(prompt !== undefined && { prompt }),
        ...(asked.scopes.includes('offline_access') && { offline: true })
      }
      const sealed = await broker.sealer.seal(
        'request',
        content,
        loginLifetime,
        Date.now() / 1000
      )
      if (sealed.length > maxSealed) {
        throw new McpOAuthError('invalidRequest', { description: 'The request is too long.' })
      }
      reply.header('set-cookie', cookies.setCsrf(csrf, loginLifetime))
      return replyWithConsentPage(reply, {
        action: `${broker.urls().base}/oauth/consent`,
        sealed,
        client,
        redirectUri: asked.redirectUri,
        scopes: content.offline ? [...scopes, 'offline_access'] : scopes,
        resource: asked.resource,
        provider: new URL(broker.config.provider.issuer).host,
        consent: broker.config.consent
      })
    }
  )
}
