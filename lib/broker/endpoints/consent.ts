import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ApprovedRequest } from '../tokens.ts'
import { hash } from '../../util/hash.ts'
import type { LoginSecrets } from '../../provider/login.ts'
import { loginLifetime } from '../login-state.ts'
import { McpOAuthError } from '../../errors.ts'
import { single } from '../../oauth/parameters.ts'
import { errorLocation } from '../../clients/authorize.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import type { ConsentRequest } from './authorize.ts'
import type { Broker } from '../broker.ts'

/** What the browser carries through the provider, in a cookie named after the state. */
export interface LoginContent extends ApprovedRequest {
  readonly upstreamState: string
  readonly secrets: LoginSecrets
  readonly state?: string
}

/**
 * `POST /oauth/consent`: the user's decision. Only the browser that was shown the page can send it
 * (its CSRF cookie is part of the sealed form), only from our own page, and only once. Only now
 * does the login become part of the browser, and the browser go to the provider.
 */
export const consentEndpoint: Endpoint<Broker> = {
  name: 'consent',
  methods: ['POST'],
  anyOrigin: false,
  body: 'form',
  bodyLimit: 32 * 1024,
  errorHandler: pageErrorHandler('consent'),
  handle: decide
}

async function decide (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const params = formOf(request)
  const cookies = broker.cookies()
  const now = Date.now() / 1000
  const asked = await broker.sealer.open('request', single(params, 'request') ?? '', now) as
    | ConsentRequest
    | null
  if (asked === null) {
    throw new McpOAuthError('invalidRequest', { description: 'This page has expired.' })
  }
  const csrf = cookies.csrf(request.headers.cookie)
  if (csrf === null || hash(csrf) !== asked.browser || !isSameSite(broker, request)) {
    throw new McpOAuthError('accessDenied', {
      description: 'This page was not opened in this browser.'
    })
  }
  const action = single(params, 'action')
  if (action !== 'approve' && action !== 'deny') throw new McpOAuthError('invalidRequest')

  if (action === 'deny') {
    await once(broker, asked)
    return reply.redirect(
      errorLocation(
        asked.redirectUri,
        new McpOAuthError('accessDenied'),
        asked.state,
        broker.issuer()
      ),
      303
    )
  }
  const { id, browser, prompt, offline = false, ...kept } = asked
  const upstreamState = broker.states.create(now)
  const secrets = broker.provider.secrets()
  // Asked before the page is used up: if the provider cannot be reached, the user can send it
  // again.
  const location = await broker.provider.loginUrl(upstreamState, secrets, { prompt, offline })
  await once(broker, asked)
  const content: LoginContent = { ...kept, upstreamState, secrets }
  const sealed = await broker.sealer.seal('transaction', content, loginLifetime, now)
  reply.header(
    'set-cookie',
    cookies.setTransaction(request.headers.cookie, upstreamState, sealed, loginLifetime)
  )
  return reply.redirect(location, 303)
}

async function once (broker: Broker, { id }: ConsentRequest): Promise<void> {
  if (!await broker.marks.consume('consent', id, loginLifetime)) {
    throw new McpOAuthError('invalidRequest', { description: 'This page was already used.' })
  }
}

/**
 * Browsers say where a form comes from. Ours comes without a referrer, so its origin may be null;
 * those that say nothing are left with the cookie.
 */
function isSameSite (
  broker: Broker,
  { headers: { origin = 'null', 'sec-fetch-site': fetchSite = 'same-origin' } }: FastifyRequest
): boolean {
  return fetchSite === 'same-origin' &&
    (origin === 'null' || origin === new URL(broker.urls().base).origin)
}
