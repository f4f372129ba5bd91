/** Where does the browser go after the user's decision? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorLocation } from '../../clients/authorize.ts'
import { McpOAuthError } from '../../errors.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { loginSeconds, maxConsentFormBytes } from '../../limits.ts'
import { single } from '../../oauth/parameters.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import type { LoginSecrets } from '../../provider/login.ts'
import { hash } from '../../util/hash.ts'
import type { Broker } from '../broker.ts'
import type { ApprovedRequest } from '../tokens.ts'
import type { ConsentRequest } from './authorize.ts'

/** Sealed into the browser's cookie for the way through the provider, named after the state. */
export interface LoginContent extends ApprovedRequest {
  readonly upstreamState: string
  readonly secrets: LoginSecrets
  readonly state?: string
}

/**
 * `POST /oauth/consent`: the user's decision. Only the browser that received the page can send it
 * (the sealed form contains the hash of its CSRF cookie), only from our own page, and only once.
 * The login cookie is set now, and the browser redirected to the provider.
 */
export const consentEndpoint: Endpoint<Broker> = {
  name: 'consent',
  methods: ['POST'],
  anyOrigin: false,
  body: 'form',
  bodyLimit: maxConsentFormBytes,
  errorHandler: pageErrorHandler('consent'),
  async handle (broker, request, reply) {
    const params = formOf(request)
    const now = Date.now() / 1000
    const sealed = single(params, 'request') ?? ''
    const consent = await broker.sealer.open('request', sealed, now) as ConsentRequest | null
    if (consent === null) {
      throw new McpOAuthError('invalidRequest', { description: 'This page has expired.' })
    }
    const csrf = broker.cookies().csrf(request.headers.cookie)
    if (csrf === null || hash(csrf) !== consent.browser || !isSameOrigin(broker, request)) {
      throw new McpOAuthError('accessDenied', {
        description: 'This page was not opened in this browser.'
      })
    }
    const action = single(params, 'action')
    if (action === 'approve') return await approve(broker, request, reply, consent, now)
    if (action !== 'deny') throw new McpOAuthError('invalidRequest')
    await consume(broker, consent)
    const denied = new McpOAuthError('accessDenied')
    const { redirectUri, state } = consent
    return reply.redirect(errorLocation(redirectUri, denied, state, broker.issuer()), 303)
  }
}

async function approve (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply,
  consent: ConsentRequest,
  now: number
): Promise<FastifyReply> {
  const { id, browser, prompt, offline = false, ...approved } = consent
  const upstreamState = broker.states.create(now)
  const secrets = broker.provider.secrets()
  // Before the page is consumed: if the provider is unreachable, the user can send it again.
  const location = await broker.provider.loginUrl(upstreamState, secrets, { prompt, offline })
  await consume(broker, consent)
  const content: LoginContent = { ...approved, upstreamState, secrets }
  const sealed = await broker.sealer.seal('transaction', content, loginSeconds, now)
  const cookies = broker.cookies()
  reply.header('set-cookie', cookies.setLogin(request.headers.cookie, upstreamState, sealed))
  return reply.redirect(location, 303)
}

async function consume ({ marks }: Broker, { id }: ConsentRequest): Promise<void> {
  if (await marks.consume('consent', id, loginSeconds)) return
  throw new McpOAuthError('invalidRequest', { description: 'This page was already used.' })
}

/**
 * Whether the form comes from our page, as far as the browser tells: without a referrer the origin
 * of our own page can be `null`. Browsers that send neither header still need the cookie.
 */
function isSameOrigin (
  { urls }: Broker,
  { headers: { origin = 'null', 'sec-fetch-site': fetchSite = 'same-origin' } }: FastifyRequest
): boolean {
  return fetchSite === 'same-origin' && ['null', new URL(urls().base).origin].includes(origin)
}
