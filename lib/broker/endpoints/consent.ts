/** Where does the browser go after the user's decision? */
import { errorLocation } from '../../clients/authorize.ts'
import { McpOAuthError } from '../../errors.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { loginSeconds, maxConsentFormBytes } from '../../limits.ts'
import { invalidRequest, single } from '../../oauth/parameters.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import type { LoginSecrets } from '../../provider/login.ts'
import { hash } from '../../util/hash.ts'
import type { Broker } from '../broker.ts'
import type { ApprovedRequest } from '../tokens.ts'
import type { ConsentRequest } from './authorize.ts'

/** Sealed into the browser's cookie for the way through the provider, named after the state. */
export interface LoginContent extends ApprovedRequest {
  upstreamState: string
  secrets: LoginSecrets
  state?: string | undefined
}

/**
 * `POST /oauth/consent`: the user's decision. Only the browser that received the page can send it
 * (the sealed form contains the hash of its CSRF cookie), only from our own page, and only once.
 * The login cookie is set now, and the browser redirected to the provider.
 */
export const consentEndpoint: Endpoint<Broker> = {
  name: 'consent',
  methods: ['POST'],
  body: 'form',
  bodyLimit: maxConsentFormBytes,
  errorHandler: pageErrorHandler('consent'),
  async handle (broker, request, reply) {
    const { marks, provider, sealer, states } = broker
    const params = formOf(request)
    const now = Date.now() / 1000
    const sealed = single(params, 'request') ?? ''
    const content = await sealer.open('request', sealed, now) as ConsentRequest | null
    if (content === null) throw invalidRequest('This page has expired.')
    const { id, browser, prompt, offline = false, ...approved } = content
    const { cookie, origin = 'null', 'sec-fetch-site': site = 'same-origin' } = request.headers
    const cookies = broker.cookies()
    const csrf = cookies.csrf(cookie)
    // As far as the browser tells: without a referrer the origin of our own page can be `null`.
    // Browsers that send neither header still need the cookie.
    const isSameOrigin = site === 'same-origin' &&
      ['null', new URL(broker.urls().base).origin].includes(origin)
    if (csrf === null || hash(csrf) !== browser || !isSameOrigin) {
      throw new McpOAuthError('accessDenied', {
        description: 'This page was not opened in this browser.'
      })
    }
    const consume = async () => {
      if (await marks.consume('consent', id, loginSeconds)) return
      throw invalidRequest('This page was already used.')
    }

    const action = single(params, 'action')
    if (action === 'deny') {
      await consume()
      const denied = new McpOAuthError('accessDenied')
      const { redirectUri, state } = approved
      return reply.redirect(errorLocation(redirectUri, denied, state, broker.issuer()), 303)
    }
    if (action !== 'approve') throw invalidRequest()
    const upstreamState = states.create(now)
    const secrets = provider.secrets()
    // Before the page is consumed: if the provider is unreachable, the user can send it again.
    const location = await provider.loginUrl(upstreamState, secrets, { prompt, offline })
    await consume()
    const login: LoginContent = { ...approved, upstreamState, secrets }
    const value = await sealer.seal('transaction', login, loginSeconds, now)
    reply.header('set-cookie', cookies.setLogin(cookie, upstreamState, value))
    return reply.redirect(location, 303)
  }
}
