/** Which response does the client get when the browser returns from the provider? */
import { errorLocation } from '../../clients/authorize.ts'
import { causeWith, isRefusal, McpOAuthError, type ErrorKind } from '../../errors.ts'
import { queryOf, type Endpoint } from '../../host/endpoint.ts'
import { logRefusal } from '../../host/replies.ts'
import { maxProviderCodeChars } from '../../limits.ts'
import { invalidRequest, parameters, single } from '../../oauth/parameters.ts'
import { redirectUriProblem } from '../../oauth/redirect-uri.ts'
import { appendQuery } from '../../oauth/url.ts'
import { pageErrorHandler } from '../../pages/errors.ts'
import type { Broker } from '../broker.ts'
import { codeIdsOf } from '../logins.ts'
import type { CodeContent } from '../tokens.ts'
import { completed, type LoginContent, notBegunHere, notSealedHere } from './consent.ts'

/**
 * Errors of the provider (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6) as a client receives
 * them, each with whose decision it was. All others are about our own request.
 */
const errors: Array<[name: RegExp, kind: ErrorKind, sentence: string]> = [
  [
    /^access_denied$/,
    'accessDenied',
    'The identity provider or the user there denied the sign-in.'
  ],
  [
    /^(consent|login|interaction|account_selection)_required$/,
    'accessDenied',
    'The identity provider requires a step that the user did not complete.'
  ],
  [/^temporarily_unavailable$/, 'providerUnavailable', 'The identity provider is unavailable.'],
  [/^server_error$/, 'internal', 'The identity provider failed to process the sign-in.'],
  [/^/, 'internal', 'The identity provider rejected the settings of this server.']
]

/**
 * `GET /oauth/callback`: the browser returns from the provider. It must have the cookie of the
 * login. The provider's code is not redeemed here: our own code contains it. There is one code for
 * each login, however often its callback is requested, until that is redeemed.
 */
export const callbackEndpoint: Endpoint<Broker> = {
  name: 'callback',
  methods: ['GET'],
  limit: 'authorize',
  errorHandler: pageErrorHandler('callback'),
  async handle (broker, request, reply) {
    const { config, marks, sealer } = broker
    const { lifetimes } = config
    const cookies = await broker.cookies()
    const params = parameters(queryOf(request))
    const now = broker.now()
    const state = single(params, 'state') ?? ''
    const upstreamCode = single(params, 'code')
    const error = single(params, 'error')
    const isOneOfBoth = (upstreamCode === undefined) !== (error === undefined)
    if (!isOneOfBoth || (upstreamCode ?? '').length > maxProviderCodeChars) {
      throw invalidRequest('The response of the identity provider has no code, or no valid one.')
    }
    if (!broker.states.verify(state, now)) {
      throw invalidRequest('This sign-in has expired, or was not started here.', {
        page: 'expiredLogin',
        cause: new Error(notSealedHere)
      })
    }
    const sealed = cookies.login(request.headers.cookie, state) ?? ''
    const login = await sealer.open('transaction', sealed, now) as LoginContent | null
    if (login?.upstreamState !== state) {
      throw new McpOAuthError('accessDenied', {
        description: 'This sign-in has ended, or was started in another browser.',
        page: 'endedLogin',
        cause: notBegunHere({ cookie: request.headers.cookie })
      })
    }
    broker.returns.returned()
    const { redirectUri, state: clientState, upstreamState, named: client, ...approved } = login
    const ids = codeIdsOf(login)
    const context = { client, grant: ids.grant, scopes: login.scopes }
    const report = broker.events.of(request)
    if (!await broker.provider.isFromProvider(params.get('iss') ?? [])) {
      const expected = `the iss of the response, expected ${config.provider.issuer}`
      throw invalidRequest('The response does not come from the expected provider.', {
        cause: causeWith(expected, params.get('iss'))
      })
    }
    // The policy may have changed since the login began.
    if (redirectUriProblem(redirectUri, broker.redirectPolicy()) !== null) {
      throw invalidRequest('The redirect URI is not allowed any more.', { page: 'redirectUri' })
    }

    const iss = broker.issuer()
    if (upstreamCode === undefined) {
      reply.header('set-cookie', cookies.completeLogin(state, sealed))
      const [, kind, description] = errors.find(([name]) =>
        name.test(error ?? '')
      ) as typeof errors[number]
      const answer = [error, ...params.get('error_description') ?? []].join(': ')
      const cause = causeWith('The identity provider answered', answer)
      const failure = new McpOAuthError(kind, { description, cause })
      if (isRefusal(failure)) {
        report('login.denied', { by: 'provider', reason: cause.message, ...context }, failure)
      } else logRefusal(request, failure)
      return reply.redirect(errorLocation(redirectUri, failure, clientState, iss), 302)
    }
    const content: CodeContent = { ...approved, redirectUri, ...ids, upstreamCode }
    const own = await sealer.seal('code', content, lifetimes.code, now)
    // Sealed once more: a dump of the store contains no codes.
    const mark = await sealer.seal('login-mark', { id: ids.id, own }, lifetimes.code, now)
    const [first, isRedeemed] = await Promise.all([
      marks.claim('login', state, mark, lifetimes.code),
      marks.isConsumed('code', ids.id)
    ])
    if (isRedeemed) {
      reply.header('set-cookie', cookies.clearLogin(state))
      throw completed()
    }
    // A code that has expired unused, because its response was lost, is replaced. A code of another
    // login, which a writer of the store copied, is ignored.
    const kept = await sealer.open('login-mark', first, now)
    const code = kept?.['id'] === ids.id ? String(kept['own']) : own
    reply.header('set-cookie', cookies.completeLogin(state, sealed))
    report('login.completed', context)
    return reply.redirect(appendQuery(redirectUri, { code, state: clientState, iss }), 302)
  }
}
