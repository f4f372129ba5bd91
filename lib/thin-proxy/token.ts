import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hash } from '../util/hash.ts'
import { McpOAuthError } from '../errors.ts'
import { createAgent } from '../http/agent.ts'
import { basicCredentials, parseClientAuthentication } from '../oauth/client-authentication.ts'
import { parameters } from '../oauth/parameters.ts'
import { challengeOf } from '../oauth/pkce.ts'
import { formatScope } from '../oauth/scope.ts'
import {
  parseTokenRequest,
  userGrantParsers,
  type AuthorizationCodeRequest,
  type RefreshTokenRequest
} from '../oauth/token-request.ts'
import { parseTokenResponse, type ProviderTokenResponse } from '../oauth/token-response.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import {
  acceptForm,
  replyToPreflight,
  publicRoute,
  allowAnyOrigin,
  rejectOtherMethods
} from '../host/isolate.ts'
import { relay, relayOptions } from './relay.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `POST /oauth/token` of the thin proxies: adds our credentials to what the client sent and hands
 * back the provider's tokens.
 *
 * Only the two grants a login needs pass, only for requests that came through our authorization
 * endpoint. The request to the provider is built anew: nothing the client sent travels but what
 * {@link form} lists.
 */
export function tokenRoute (scope: FastifyInstance, proxy: ThinProxy): void {
  scope.register(async (scope) => {
    acceptForm(scope)
    allowAnyOrigin(scope)
    await scope.register(httpProxy, {
      ...relayOptions(createAgent()),
      prefix: '/oauth/token',
      config: publicRoute,
      handler: gate((request, reply) => exchange(proxy, request, reply)) as never
    })
  })
  replyToPreflight(scope, '/oauth/token', ['POST'])
  rejectOtherMethods(scope, '/oauth/token', ['POST'])
}

/** Most requests that are under way to the provider. */
const maxRunning = 50

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/**
 * What waited in a queue would still be sent after its client had been told that it failed, and use
 * codes and tokens up. So nothing waits.
 */
function gate (handler: Handler): Handler {
  let running = 0
  return async (request, reply) => {
    if (running >= maxRunning) throw new McpOAuthError('overloaded')
    running++
    try {
      return await handler(request, reply)
    } finally {
      running--
    }
  }
}

async function exchange (
  proxy: ThinProxy,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<unknown> {
  if (typeof request.body !== 'string') throw new McpOAuthError('invalidRequest')
  const params = parameters(request.body)
  const sent = parseTokenRequest(params, proxy.urls().resource, userGrantParsers)
  const { clientId, method } = parseClientAuthentication(request.headers.authorization, params)
  if (
    method === 'private_key_jwt' || await proxy.clients.find(clientId, Date.now() / 1000) === null
  ) throw new McpOAuthError('invalidClient')
  const asked = sent.grantType === 'refresh_token'
    ? { ...sent, refreshToken: await unwrap(proxy, clientId, sent.refreshToken) }
    : sent

  const ask = async (): Promise<ProviderTokenResponse> => {
    const provider = await proxy.endpoints()
    const { headers, body } = form(proxy, provider, asked)
    const { status, text } = await relay(reply, provider.token_endpoint, headers, body)
    return parseTokenResponse(status, text)
  }
  const answer = asked.grantType === 'authorization_code'
    ? await withTicket(proxy, clientId, asked, ask)
    : await ask()
  reply.code(200).header('content-type', 'application/json; charset=utf-8')
  const { refresh_token: refreshToken } = answer
  return JSON.stringify(
    refreshToken === undefined
      ? answer
      : { ...answer, refresh_token: await wrap(proxy, clientId, refreshToken) }
  )
}

/** Life of a wrapped refresh token that its provider does not replace, in seconds. */
const refreshLifetime = 90 * 24 * 3600

/**
 * Clients get the provider's refresh tokens sealed, each for the client at hand: otherwise anybody,
 * with our secret, could redeem through us whatever refresh token of our application came into
 * their hands.
 */
function wrap ({ sealer }: ThinProxy, clientId: string, token: string): Promise<string> {
  return sealer.seal('refresh', { t: token, c: hash(clientId) }, refreshLifetime, Date.now() / 1000)
}

async function unwrap ({ sealer }: ThinProxy, clientId: string, sealed: string): Promise<string> {
  const opened = await sealer.open('refresh', sealed, Date.now() / 1000) as
    | { t: string, c: string }
    | null
  if (opened?.c !== hash(clientId)) throw new McpOAuthError('invalidGrant')
  return opened.t
}

/** Lets a code pass once, and only for a request that came through our authorization endpoint. */
async function withTicket (
  { tickets }: ThinProxy,
  clientId: string,
  asked: AuthorizationCodeRequest,
  ask: () => Promise<ProviderTokenResponse>
): Promise<ProviderTokenResponse> {
  const codeChallenge = challengeOf(asked.codeVerifier)
  const good = await tickets.check(clientId, codeChallenge, asked.redirectUri) &&
    await tickets.spend(clientId, codeChallenge)
  if (!good) throw new McpOAuthError('invalidGrant')
  try {
    return await ask()
  } catch (error) {
    // Not the code's fault: a retry may still succeed.
    if (!(error instanceof McpOAuthError) || error.statusCode >= 500) {
      await tickets.restore(clientId, codeChallenge)
    }
    throw error
  }
}

/**
 * The request to the provider: an allow-list, with our own credentials (RFC 6749 §2.3.1) in the way
 * the provider says it takes them.
 */
function form (
  proxy: ThinProxy,
  provider: ProviderMetadata,
  asked: AuthorizationCodeRequest | RefreshTokenRequest
): { headers: Record<string, string>, body: string } {
  const { clientId, config: { provider: { clientSecret, audience } } } = proxy
  const methods = provider.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  const basic = clientSecret !== null &&
    (methods.includes('client_secret_basic') || !methods.includes('client_secret_post'))
  const resource = asked.resource ?? (audience === null ? proxy.urls().resource : undefined)
  const fields: Record<string, string | undefined> = {
    grant_type: asked.grantType,
    ...(asked.grantType === 'authorization_code'
      ? { code: asked.code, redirect_uri: asked.redirectUri, code_verifier: asked.codeVerifier }
      : { refresh_token: asked.refreshToken, scope: asked.scopes && formatScope(asked.scopes) }),
    resource,
    ...(!basic && { client_id: proxy.clientId, client_secret: clientSecret ?? undefined })
  }
  const body = new URLSearchParams(
    Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)
  )
  return {
    headers: basic ? { authorization: basicCredentials(clientId, clientSecret ?? '') } : {},
    body: body.toString()
  }
}
