/** Which checks do the authorization endpoints of the broker and the thin proxies share? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client } from '../types.ts'
import { causeWith, McpOAuthError } from '../errors.ts'
import { queryOf } from '../host/endpoint.ts'
import type { Events } from '../host/events.ts'
import { logRefusal } from '../host/replies.ts'
import {
  parseAuthorizationRequest,
  promptOf,
  redirectUriOf,
  stateOf,
  type AuthorizationRequest,
  type AuthorizationRules
} from '../oauth/authorization-request.ts'
import { hasLogins } from '../oauth/grant-types.ts'
import { parameters, required, type RequestParameters } from '../oauth/parameters.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import { appendQuery } from '../oauth/url.ts'
import type { Config } from '../options/config.ts'
import { replyWithErrorPage } from '../pages/errors.ts'
import type { Clients } from './clients.ts'

/** The rules of an authorization endpoint. */
export interface AuthorizationEndpoint {
  config: Config
  clients: Clients
  events: Events
  redirectPolicy(): RedirectPolicy
  rules(): AuthorizationRules
  /**
   * Sent as `iss` with every authorization response (RFC 9207). Undefined for a thin proxy, whose
   * responses come from the provider.
   */
  issuer(): string | undefined
}

/** A valid authorization request. */
export interface ValidRequest {
  params: RequestParameters
  client: Client
  authorization: AuthorizationRequest
  /** The `prompt`, if it is one that the provider may receive. */
  prompt: string | undefined
}

/**
 * Checks an authorization request (RFC 6749 §4.1.1). Errors about the client or its redirect URI
 * are shown to the user, because a redirect would go to an unverified URL. The client receives the
 * others.
 *
 * @param proceed responds to a valid request
 */
export async function handleAuthorizationRequest (
  endpoint: AuthorizationEndpoint,
  request: FastifyRequest,
  reply: FastifyReply,
  proceed: (valid: ValidRequest) => Promise<FastifyReply>
): Promise<FastifyReply> {
  let params: RequestParameters = new Map()
  let redirectUri: string | undefined
  try {
    params = parameters(queryOf(request))
    const id = required(params, 'client_id')
    const client = await endpoint.clients.find(id, Date.now() / 1000)
    if (client === null) {
      // The host of an accepted URL has the characters of host names only.
      const host = id.startsWith('https://') &&
        (await endpoint.clients.accepts(id) ? new URL(id).host : '')
      throw new McpOAuthError('invalidClient', {
        ...host && {
          description: `The metadata document of ${host} could not be used.`,
          page: 'document' as const
        },
        cause: causeWith(
          host === '' ? 'clientIdMetadata does not accept the client id' : 'the client id',
          id
        )
      })
    }
    const registered = client.redirectUris ?? params.get('redirect_uri') ?? []
    redirectUri = redirectUriOf(params, registered, endpoint.redirectPolicy())
    if (!hasLogins(client.grantTypes)) throw new McpOAuthError('unauthorizedClient')
    const authorization = parseAuthorizationRequest(params, redirectUri, endpoint.rules())
    return await proceed({ params, client, authorization, prompt: promptOf(params) })
  } catch (error) {
    if (!(error instanceof McpOAuthError)) throw error
    // A fault of ours or of the provider: after a redirect the client would not try again.
    if (error.statusCode >= 500) throw error
    const location = redirectUri &&
      errorLocation(redirectUri, error, stateOf(params), endpoint.issuer())
    // Anyone can register any https URL, unless the operator lists them: a redirect would make us
    // an open redirector (RFC 9700 §4.11.2).
    const isListed = endpoint.config.allowedRedirectUris !== null
    if (location && (isListed || !location.startsWith('https:'))) {
      logRefusal(request, error)
      return reply.redirect(location, 302)
    }
    return await replyWithErrorPage(endpoint.config.consent, 'authorize', reply, error, {
      status: 400,
      back: location
    })
  }
}

/** The redirect that tells a client about an error (RFC 6749 §4.1.2.1, RFC 9207 §2). */
export function errorLocation (
  redirectUri: string,
  { error, message }: McpOAuthError,
  state: string | undefined,
  iss: string | undefined
) {
  return appendQuery(redirectUri, { error, error_description: message, state, iss })
}
