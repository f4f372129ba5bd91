/** Which response does the client get when the browser returns from the provider? */
import { errorLocation } from '../../clients/authorize.ts'
import { McpOAuthError, type ErrorKind } from '../../errors.ts'
import { queryOf, type Endpoint } from '../../host/endpoint.ts'
import { loginSeconds, maxProviderCodeChars } from '../../limits.ts'
import { invalidRequest, parameters, single } from '../../oauth/parameters.ts'
import { redirectUriProblem } from '../../oauth/redirect-uri.ts'
import { appendQuery } from '../../oauth/url.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import type { Broker } from '../broker.ts'
import { randomId, type CodeContent } from '../tokens.ts'
import type { LoginContent } from './consent.ts'

/** Errors of the provider that a client receives (RFC 6749 §4.1.2.1). Others are internal. */
const errors = new Map<string, ErrorKind>([
  ['access_denied', 'accessDenied'],
  ['consent_required', 'accessDenied'],
  ['login_required', 'accessDenied'],
  ['interaction_required', 'accessDenied'],
  ['temporarily_unavailable', 'providerUnavailable']
])

/**
 * `GET /oauth/callback`: the browser returns from the provider. It must have the cookie of the
 * login, and each login returns once. The provider's code is not redeemed here: our own code
 * contains it, so that nothing is stored before the client requests tokens.
 */
export const callbackEndpoint: Endpoint<Broker> = {
  name: 'callback',
  methods: ['GET'],
  errorHandler: pageErrorHandler('callback'),
  async handle (broker, request, reply) {
    const params = parameters(queryOf(request))
    const now = Date.now() / 1000
    const state = single(params, 'state') ?? ''
    const upstreamCode = single(params, 'code')
    const error = single(params, 'error')
    const isOneOfBoth = (upstreamCode === undefined) !== (error === undefined)
    if (!isOneOfBoth || (upstreamCode ?? '').length > maxProviderCodeChars) throw invalidRequest()
    if (!broker.states.verify(state, now)) {
      throw invalidRequest('This sign-in has expired, or was not started here.')
    }
    const sealed = broker.cookies().login(request.headers.cookie, state) ?? ''
    const login = await broker.sealer.open('transaction', sealed, now) as LoginContent | null
    if (login?.upstreamState !== state) {
      throw new McpOAuthError('accessDenied', {
        description: 'This sign-in was started in another browser.'
      })
    }
    const { redirectUri, state: clientState, upstreamState, ...approved } = login
    if (!await broker.provider.isFromProvider(params.get('iss') ?? [])) {
      throw invalidRequest('The response does not come from the expected provider.')
    }
    // The policy may have changed since the login began.
    if (redirectUriProblem(redirectUri, broker.redirectPolicy()) !== null) {
      throw invalidRequest('The redirect URI is not allowed any more.')
    }
    if (!await broker.marks.consume('login', state, loginSeconds)) {
      throw invalidRequest('This sign-in was already completed.')
    }

    const iss = broker.issuer()
    reply.header('set-cookie', broker.cookies().clearLogin(state))
    if (upstreamCode === undefined) {
      const failure = new McpOAuthError(errors.get(error ?? '') ?? 'internal')
      return reply.redirect(errorLocation(redirectUri, failure, clientState, iss), 302)
    }
    const ids = { id: randomId(), grant: randomId() }
    const content: CodeContent = { ...approved, redirectUri, ...ids, upstreamCode }
    const code = await broker.sealer.seal('code', content, broker.config.lifetimes.code, now)
    return reply.redirect(appendQuery(redirectUri, { code, state: clientState, iss }), 302)
  }
}
