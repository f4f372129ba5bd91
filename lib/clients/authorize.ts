import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clients } from './clients.ts'
import type { Client } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import {
  parseAuthorizationRequest,
  clientIdOf,
  redirectUriOf,
  stateOf,
  type AuthorizationRequest,
  type AuthorizationRules
} from '../oauth/authorization-request.ts'
import { parameters, type RequestParameters } from '../oauth/parameters.ts'
import { isLoopbackRedirect, type RedirectPolicy } from '../oauth/redirect-uri.ts'
import { appendQuery } from '../oauth/url.ts'
import { answerPage } from '../pages/page.ts'
import { logRefusal } from '../host/isolate.ts'

/** What an authorization endpoint checks requests against. */
export interface AuthorizationEndpoint {
  readonly clients: Clients
  redirectPolicy(): RedirectPolicy
  rules(): AuthorizationRules
  /**
   * Sent as `iss` with every answer (RFC 9207); null for a proxy whose answers come from the
   * provider.
   */
  issuer(): string | null
  /**
   * Whether the operator listed the redirect URIs: only then are they more than what anyone could
   * have registered.
   */
  readonly listed: boolean
}

/** Takes over once a request has been found good. */
export type Proceed = (
  params: RequestParameters,
  client: Client,
  asked: AuthorizationRequest
) => Promise<FastifyReply>

/**
 * Checks an authorization request (RFC 6749 §4.1.1) in the order that keeps us from redirecting to
 * strangers: first the client and its redirect URI, whose faults stay here; then the rest, whose
 * faults the client is told.
 */
export async function authorize (
  desk: AuthorizationEndpoint,
  request: FastifyRequest,
  reply: FastifyReply,
  proceed: Proceed
): Promise<FastifyReply> {
  let params, redirectUri, client
  try {
    params = parameters(queryOf(request))
    client = await desk.clients.find(clientIdOf(params), Date.now() / 1000)
    if (client === null) throw new McpOAuthError('invalidClient')
    redirectUri = redirectUriOf(
      params,
      client.redirectUris ?? params.get('redirect_uri') ?? [],
      desk.redirectPolicy()
    )
  } catch (error) {
    if (!(error instanceof McpOAuthError)) throw error
    return answerPage(request, reply, error, error.statusCode >= 500 ? error.statusCode : 400)
  }
  try {
    return await proceed(
      params,
      client,
      parseAuthorizationRequest(params, redirectUri, desk.rules())
    )
  } catch (error) {
    if (!(error instanceof McpOAuthError)) throw error
    // Our own fault or the provider's: the client would take a redirect as an answer to give up on.
    if (error.statusCode >= 500) return answerPage(request, reply, error, error.statusCode)
    const back = errorLocation(redirectUri, error, stateOf(params), desk.issuer())
    // Anyone can register any https address: redirecting there by ourselves would make us an open
    // redirector (RFC 9700 §4.11.2).
    if (!isLoopbackRedirect(redirectUri) && !desk.listed) {
      return answerPage(request, reply, error, 400, back)
    }
    logRefusal(request, error)
    return reply.redirect(back, 302)
  }
}

/** The redirect that tells a client what went wrong (RFC 6749 §4.1.2.1, RFC 9207 §2). */
export function errorLocation (
  redirectUri: string,
  { error, message }: Pick<McpOAuthError, 'error' | 'message'>,
  state: string | undefined,
  issuer: string | null
): string {
  return appendQuery(redirectUri, {
    error,
    error_description: message,
    state,
    iss: issuer ?? undefined
  })
}

/** The host may parse queries as it likes: ours is read from the raw URL. */
export function queryOf (request: FastifyRequest): string {
  const { url = '' } = request.raw
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at + 1)
}
