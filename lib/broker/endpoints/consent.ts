/** Where does the browser go after the user's decision? */
import type { IncomingHttpHeaders } from 'node:http'
import { errorLocation } from '../../clients/authorize.ts'
import { McpOAuthError, quoted } from '../../errors.ts'
import type { EventClient } from '../../events/table.ts'
import { formOf, type Endpoint } from '../../host/endpoint.ts'
import { maxConsentFormBytes } from '../../limits.ts'
import { invalidRequest, single } from '../../oauth/parameters.ts'
import { pageErrorHandler } from '../../pages/errors.ts'
import { hash } from '../../util/hash.ts'
import type { Broker } from '../broker.ts'
import { codeIdsOf, grantOf, type ProviderLoginIds } from '../logins.ts'
import type { ApprovedRequest } from '../tokens.ts'
import type { ConsentRequest } from './authorize.ts'

/** Sealed into the browser's cookie for the way through the provider, named after the state. */
export interface LoginContent extends ApprovedRequest, ProviderLoginIds {
  state?: string | undefined
  /** The client, for events. */
  named?: EventClient | undefined
}

/** Why a value of a browser cannot be opened: it does not tell which. */
export const notSealedHere = 'it is older than lifetimes.consent, was sealed by an instance with ' +
  'another secret or clock, or never by this server'

/** Why a browser is not known to have begun a login, from its headers. */
export const notBegunHere = (
  { cookie, origin = 'null', 'sec-fetch-site': site = 'same-origin' }: IncomingHttpHeaders,
  expected = origin
) =>
  new Error(
    site !== 'same-origin'
      ? `it comes from another page (sec-fetch-site: ${quoted(site)})`
      : cookie === undefined
      ? 'the request has no cookies: it did not come to publicUrl by https, or a reverse proxy ' +
        'removes Cookie or Set-Cookie'
      : ![expected, 'null'].includes(origin)
      ? `its Origin is ${quoted(origin)}, and expected is ${expected}`
      : 'the cookie of this login is not among its cookies'
  )

/** The error for a login whose code was redeemed. */
export const completed = () =>
  invalidRequest('This sign-in was already completed.', { page: 'completed' })

/**
 * `POST /oauth/consent`: the user's decision. Only the browser that received the page can send it
 * (the sealed form contains the hash of its CSRF cookie), and only from our own page. The first
 * decision counts: the same one again, after a double click or a fault, has the same result. The
 * login cookie is set now, and the browser redirected to the provider.
 */
export const consentEndpoint: Endpoint<Broker> = {
  name: 'consent',
  methods: ['POST'],
  limit: 'authorize',
  body: 'form',
  bodyLimit: maxConsentFormBytes,
  errorHandler: pageErrorHandler('consent'),
  async handle (broker, request, reply) {
    const { config: { lifetimes }, marks, provider, sealer, states } = broker
    const params = formOf(request)
    const now = broker.now()
    const sealed = single(params, 'request') ?? ''
    const content = await sealer.open('request', sealed, now) as ConsentRequest | null
    if (content === null) {
      const cause = new Error(notSealedHere)
      throw invalidRequest('This page has expired.', { page: 'expiredPage', cause })
    }
    const { id, browser, prompt, offline = false, ...approved } = content
    const { cookie, origin = 'null', 'sec-fetch-site': site = 'same-origin' } = request.headers
    const cookies = await broker.cookies()
    const csrf = cookies.csrf(cookie, browser)
    // As far as the browser tells: without a referrer the origin of our own page can be `null`.
    // Browsers that send neither header still need the cookie.
    const ownOrigin = new URL(broker.urls().base).origin
    const isSameOrigin = site === 'same-origin' && ['null', ownOrigin].includes(origin)
    if (csrf === null || hash(csrf) !== browser || !isSameOrigin) {
      throw new McpOAuthError('accessDenied', {
        description: 'This page was not opened in this browser.',
        page: 'otherBrowser',
        cause: notBegunHere(request.headers, ownOrigin)
      })
    }

    const action = single(params, 'action')
    if (action !== 'approve' && action !== 'deny') throw invalidRequest()
    // Before the decision counts: while the provider is unreachable, the user can still deny.
    if (action === 'approve') await provider.ready()
    const own = [action, Date.now(), browser].join(' ')
    const mark = await marks.claim('consent', id, own, lifetimes.consent)
    const [decision, ms, holder] = mark.split(' ')
    if (decision !== action || holder !== browser) {
      throw invalidRequest('This page was already used, and the first decision counts.', {
        page: 'usedPage'
      })
    }
    if (action === 'deny') {
      const reason = 'The user denied access.'
      const denied = new McpOAuthError('accessDenied', { description: reason })
      const { redirectUri, state, named: client, scopes } = approved
      const grant = grantOf(id)
      broker.events.of(request)('login.denied', { by: 'user', reason, client, grant, scopes })
      return reply.redirect(errorLocation(redirectUri, denied, state, broker.issuer()), 303)
    }
    const since = Number(ms) / 1000
    const login: LoginContent = { ...approved, ...states.create(id, Number(ms)), since }
    if (mark !== own && await marks.isConsumed('code', codeIdsOf(login).id)) {
      throw completed()
    }
    const { upstreamState, secrets } = login
    const location = await provider.loginUrl(upstreamState, secrets, { prompt, offline })
    const value = await sealer.seal('transaction', login, lifetimes.consent, now)
    if (mark === own) broker.returns.left()
    reply.header('set-cookie', cookies.setLogin(cookie, upstreamState, value))
    return reply.redirect(location, 303)
  }
}
