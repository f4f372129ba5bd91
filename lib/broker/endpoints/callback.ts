import type { FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../../errors.ts'
import { loginLifetime } from '../login-state.ts'
import { parameters, single, type RequestParameters } from '../../oauth/parameters.ts'
import { redirectUriProblem } from '../../oauth/redirect-uri.ts'
import { appendQuery } from '../../oauth/url.ts'
import { errorLocation } from '../../clients/authorize.ts'
import { queryOf } from '../../host/parsers.ts'
import { pageErrorHandler } from '../../pages/page.ts'
import type { Endpoint } from '../../host/endpoint.ts'
import type { Broker } from '../broker.ts'
import type { LoginContent } from './consent.ts'

/** Longest code a provider may hand out, in characters. */
const maxCode = 4096

/**
 * Errors of the provider that a client may learn (RFC 6749 §4.1.2.1); all others are the server's
 * business.
 */
const errors: Readonly<Record<string, 'accessDenied' | 'providerUnavailable'>> = {
  access_denied: 'accessDenied',
  consent_required: 'accessDenied',
  login_required: 'accessDenied',
  interaction_required: 'accessDenied',
  temporarily_unavailable: 'providerUnavailable'
}

/**
 * `GET /oauth/callback`: the browser comes back from the provider. It must be the one that approved
 * (it has the cookie), and it comes back once. The provider's code is not redeemed here: it travels
 * inside ours, so that nothing has to be stored until the client asks for tokens.
 */
export const callbackEndpoint: Endpoint<Broker> = {
  name: 'callback',
  methods: ['GET'],
  anyOrigin: false,
  errorHandler: pageErrorHandler('callback'),
  handle: handleCallback
}

async function handleCallback (
  broker: Broker,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const params = parameters(queryOf(request))
  const now = Date.now() / 1000
  const state = single(params, 'state') ?? ''
  const code = single(params, 'code')
  const failure = single(params, 'error')
  if (
    (code === undefined) === (failure === undefined) || (code?.length ?? 0) > maxCode
  ) { throw new McpOAuthError('invalidRequest') }
  if (!broker.states.verify(state, now)) {
    throw new McpOAuthError('invalidRequest', {
      description: 'This sign-in has expired, or was not started here.'
    })
  }

  const cookies = broker.cookies()
  const sealed = cookies.transaction(request.headers.cookie, state)
  const login = sealed === null
    ? null
    : await broker.sealer.open('transaction', sealed, now) as LoginContent | null
  if (login === null || login.upstreamState !== state) {
    throw new McpOAuthError('accessDenied', {
      description: 'This sign-in was started in another browser.'
    })
  }
  if (!await broker.provider.isFromProvider(params.get('iss') ?? [])) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The answer does not come from the expected provider.'
    })
  }
  if (redirectUriProblem(login.redirectUri, broker.redirectPolicy()) !== null) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The redirect URI is not allowed any more.'
    })
  }
  if (!await broker.marks.consume('login', state, loginLifetime)) {
    throw new McpOAuthError('invalidRequest', {
      description: 'This sign-in was already completed.'
    })
  }

  reply.header('set-cookie', cookies.clearTransaction(state))
  if (code === undefined) {
    return reply.redirect(
      errorLocation(login.redirectUri, refusal(params), login.state, broker.issuer()),
      302
    )
  }
  const { upstreamState, state: clientState, secrets, ...asked } = login
  const ours = await broker.tokens.code(asked, code, secrets, now)
  return reply.redirect(
    appendQuery(login.redirectUri, { code: ours, state: clientState, iss: broker.issuer() }),
    302
  )
}

function refusal (params: RequestParameters): McpOAuthError {
  const name = single(params, 'error') ?? ''
  return new McpOAuthError(Object.hasOwn(errors, name) ? errors[name] ?? 'internal' : 'internal')
}
