/** How does a client of a thin proxy get tokens? */
import { addAbortSignal, type Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isRefusal, McpOAuthError } from '../errors.ts'
import { formOf, type Endpoint } from '../host/endpoint.ts'
import { safeLogger } from '../host/replies.ts'
import { createAgent, readBody, requestHeaders } from '../http/fetch.ts'
import { withTimeout } from '../http/operations.ts'
import { requestTimeoutMs, wrappedRefreshSeconds } from '../limits.ts'
import { basicCredentials, parseClientAuthentication } from '../oauth/client-authentication.ts'
import {
  parseTokenRequest,
  userGrantParsers,
  type AuthorizationCodeRequest
} from '../oauth/token-request.ts'
import { parseTokenResponse, type ProviderTokenResponse } from '../oauth/token-response.ts'
import { hash } from '../util/hash.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `POST /oauth/token` of the thin proxies: adds our credentials and returns the provider's tokens.
 *
 * Only the two grants of a login are accepted, only for logins that began at our authorization
 * endpoint. The provider receives a new request with nothing but the parameters of the grant.
 *
 * Users chose @fastify/http-proxy for the thin proxies. Here it neither parses nor retries, and its
 * agent is ours: its own does not verify certificates.
 */
export const tokenEndpoint: Endpoint<ThinProxy> = {
  name: 'token',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'token_endpoint',
  body: 'form',
  addRoute: (scope, { url, config, handler }) =>
    scope.register(httpProxy, {
      prefix: url,
      config,
      handler,
      upstream: '',
      httpMethods: ['POST'],
      routes: ['/'],
      proxyPayloads: false,
      undici: createAgent(),
      destroyAgent: true,
      disableCache: true,
      disableRequestLogging: true,
      replyOptions: { getUpstream: () => '' }
    } as never),
  handle: (proxy, request, reply) =>
    proxy.limitTokenRequests(() => handleTokenRequest(proxy, request, reply))
}

type Parameters = Record<string, string | undefined>

async function handleTokenRequest (
  proxy: ThinProxy,
  request: FastifyRequest,
  reply: FastifyReply
) {
  const params = formOf(request)
  const grant = parseTokenRequest(params, proxy.urls().resource, userGrantParsers)
  const { clientId, method } = parseClientAuthentication(request.headers.authorization, params)
  const now = Date.now() / 1000
  if (method === 'private_key_jwt' || await proxy.clients.find(clientId, now) === null) {
    throw new McpOAuthError('invalidClient')
  }
  // Sealed refresh tokens belong to one client. Otherwise anybody could redeem any refresh token of
  // our application through us, with our secret.
  const owner = hash(clientId)
  const ask = (parameters: Parameters) => askProvider(proxy, reply, grant, parameters)
  let tokens: ProviderTokenResponse
  if (grant.grantType === 'authorization_code') {
    tokens = await redeemCode(proxy, clientId, grant, ask)
  } else {
    const sealed = await proxy.sealer.open('refresh', grant.refreshToken, now)
    if (sealed?.['c'] !== owner) throw new McpOAuthError('invalidGrant')
    tokens = await ask({ refresh_token: sealed['t'] as string, scope: grant.scopes?.join(' ') })
  }
  if (tokens.refresh_token !== undefined) {
    const payload = { t: tokens.refresh_token, c: owner }
    tokens.refresh_token = await proxy.sealer.seal('refresh', payload, wrappedRefreshSeconds, now)
  }
  reply.code(200).header('content-type', 'application/json; charset=utf-8')
  return JSON.stringify(tokens)
}

/** Lets each code pass once, and only if its login began at our authorization endpoint. */
async function redeemCode (
  proxy: ThinProxy,
  clientId: string,
  { code, codeVerifier, redirectUri }: AuthorizationCodeRequest,
  ask: (parameters: Parameters) => Promise<ProviderTokenResponse>
) {
  const record = proxy.loginRecord(clientId, hash(codeVerifier))
  if (!await record.consume(redirectUri)) throw new McpOAuthError('invalidGrant')
  try {
    return await ask({ code, redirect_uri: redirectUri, code_verifier: codeVerifier })
  } catch (error) {
    // Not the fault of the code: a retry may succeed.
    if (!isRefusal(error)) await record.release()
    throw error
  }
}

/** The provider receives nothing but these parameters and our credentials. */
async function askProvider (
  { clientId, urls, config, providerMetadata }: ThinProxy,
  reply: FastifyReply,
  { grantType, resource }: { grantType: string, resource: string | undefined },
  parameters: Parameters
) {
  const { clientSecret, audience } = config.provider
  const metadata = await providerMetadata()
  const methods = metadata.token_endpoint_auth_methods_supported
  // RFC 6749 §2.3.1. Without metadata about it, providers support client_secret_basic.
  const isBasic = clientSecret !== null &&
    (!methods?.includes('client_secret_post') || methods.includes('client_secret_basic'))
  const form = new URLSearchParams()
  const members = {
    grant_type: grantType,
    ...parameters,
    resource: resource ?? (audience === null ? urls().resource : undefined),
    ...(!isBasic && { client_id: clientId, client_secret: clientSecret ?? undefined })
  }
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) form.append(name, value)
  }
  const headers = isBasic ? { authorization: basicCredentials(clientId, clientSecret) } : {}
  return await postForm(reply, metadata.tokenEndpoint, headers, form.toString())
}

/**
 * Sends a form to the provider and reads the whole response. No header of the client is sent, and
 * none of the provider is passed on.
 *
 * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout`, `providerMisbehaved`, and the
 *   error of the response
 */
async function postForm (
  reply: FastifyReply,
  url: string,
  headers: Record<string, string>,
  body: string
) {
  // reply.from logs failed responses itself. A logger that throws must not fail the request.
  const { request } = reply
  request.log = Object.assign(Object.create(request.log), safeLogger(request.log))
  const send = async (signal: AbortSignal) => {
    const response = new Promise<{ statusCode: number, stream: Readable }>((resolve, reject) => {
      reply.from(url, {
        body,
        contentType: 'application/x-www-form-urlencoded',
        timeout: requestTimeoutMs,
        getUpstream: () => undefined,
        // The query of the provider's URL (a policy, a tenant), never that of the client.
        queryString: (own: string) => own.slice(1),
        retryDelay: () => null,
        rewriteRequestHeaders: (_request: unknown, sent: Record<string, string>) => ({
          ...requestHeaders,
          ...headers,
          'content-type': sent['content-type'],
          'content-length': sent['content-length']
        }),
        rewriteHeaders: () => ({}),
        onError: (_reply: unknown, { error }: { error: Error }) => reject(error),
        onResponse: (_request: unknown, _reply: unknown, response: never) => resolve(response)
      } as never)
    })
    const { statusCode, stream } = await response
    const text = (await readBody(addAbortSignal(signal, stream))).toString()
    return parseTokenResponse(statusCode, text)
  }
  try {
    return await withTimeout(send, requestTimeoutMs, () => new McpOAuthError('providerTimeout'))
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    const isTimeout = (cause as FastifyError).statusCode === 504
    throw new McpOAuthError(isTimeout ? 'providerTimeout' : 'providerUnavailable', { cause })
  }
}
