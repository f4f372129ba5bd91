/** How does a client of a thin proxy get tokens? */
import { addAbortSignal, type Readable } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type * as oidc from 'openid-client'
import { isRefusal, McpOAuthError } from '../errors.ts'
import { formOf, type Endpoint } from '../host/endpoint.ts'
import { safeLogger } from '../host/replies.ts'
import { loadClient, readBody, requestHeaders, type FetchResponse } from '../http/fetch.ts'
import { withTimeout } from '../http/operations.ts'
import { requestTimeoutMs, wrappedRefreshSeconds } from '../limits.ts'
import { parseClientAuthentication } from '../oauth/client-authentication.ts'
import {
  parseTokenRequest,
  userGrantParsers,
  type AuthorizationCodeRequest
} from '../oauth/token-request.ts'
import { callProvider, loadOidc, openIdClient, secretAuthentication } from '../provider/client.ts'
import { tokenFetch, tokensOf, type ProviderTokens } from '../provider/tokens.ts'
import { hash } from '../util/hash.ts'
import { present } from '../util/json.ts'
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
  limit: 'token',
  anyOrigin: true,
  metadata: 'token_endpoint',
  body: 'form',
  async addRoute (scope, { url, config, handler }) {
    const { createAgent } = await loadClient()
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
    } as never)
  },
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
  let tokens: ProviderTokens
  if (grant.grantType === 'authorization_code') {
    tokens = await redeemCode(proxy, clientId, grant, ask)
  } else {
    const sealed = await proxy.sealer.open('refresh', grant.refreshToken, now)
    if (sealed?.c !== owner) throw new McpOAuthError('invalidGrant')
    tokens = await ask({ refresh_token: sealed.t as string, scope: grant.scopes?.join(' ') })
  }
  const { accessToken, refreshToken, expiresIn, scope } = tokens
  const payload = { t: refreshToken, c: owner }
  reply.code(200).header('content-type', 'application/json; charset=utf-8')
  return JSON.stringify(present({
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: expiresIn && Math.floor(expiresIn),
    refresh_token: refreshToken &&
      await proxy.sealer.seal('refresh', payload, wrappedRefreshSeconds, now),
    scope
  }))
}

/** Lets each code pass once, and only if its login began at our authorization endpoint. */
async function redeemCode (
  proxy: ThinProxy,
  clientId: string,
  { code, codeVerifier, redirectUri }: AuthorizationCodeRequest,
  ask: (parameters: Parameters) => Promise<ProviderTokens>
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

/** Errors about parameters of the client, which it may correct. */
const clientErrors = new Map(
  [
    ['invalid_scope', 'invalidScope'],
    ['invalid_target', 'invalidTarget']
  ] as const
)

/**
 * The provider receives nothing but these parameters and our credentials. Other members of its
 * response are dropped: an ID token is for us, not for the client.
 */
async function askProvider (
  { clientId, urls, config, providerMetadata }: ThinProxy,
  reply: FastifyReply,
  { grantType, resource }: { grantType: string, resource: string | undefined },
  parameters: Parameters
) {
  const { clientSecret, audience } = config.provider
  const metadata = await providerMetadata()
  const methods = metadata.token_endpoint_auth_methods_supported
  const oidc = await loadOidc()
  const client = openIdClient(
    oidc,
    metadata,
    clientId,
    secretAuthentication(oidc, clientSecret, methods),
    tokenFetch({ ignored: 'id_token' }, (url, request) => postForm(reply, url, request))
  )
  const form = present({
    ...parameters,
    resource: resource ?? (audience === null ? urls().resource : null)
  }) as Record<string, string>
  const response = await callProvider(
    () => oidc.genericGrantRequest(client, grantType, form),
    clientErrors
  )
  return tokensOf(response, null)
}

type ProviderResponse = Pick<FetchResponse, 'headers'> & { statusCode: number, stream: Readable }

/**
 * Sends a form to the provider and reads the whole response. No header of the client is sent, and
 * none of the provider is passed on.
 *
 * @throws {McpOAuthError} `providerUnavailable`, `providerTimeout`, `providerMisbehaved`
 */
async function postForm (
  reply: FastifyReply,
  url: string,
  { headers: { authorization }, body }: oidc.CustomFetchOptions
) {
  // reply.from logs failed responses itself. A logger that throws must not fail the request.
  const { request } = reply
  request.log = Object.assign(Object.create(request.log), safeLogger(request.log))
  const send = async (signal: AbortSignal): Promise<FetchResponse> => {
    const response = new Promise<ProviderResponse>((resolve, reject) => {
      reply.from(url, {
        body: String(body),
        contentType: 'application/x-www-form-urlencoded',
        timeout: requestTimeoutMs,
        getUpstream: () => undefined,
        // The query of the provider's URL (a policy, a tenant), never that of the client.
        queryString: (own: string) => own.slice(1),
        retryDelay: () => null,
        rewriteRequestHeaders: (_request: unknown, sent: Record<string, string>) => ({
          ...requestHeaders,
          ...(authorization && { authorization }),
          'content-type': sent['content-type'],
          'content-length': sent['content-length']
        }),
        rewriteHeaders: () => ({}),
        onError: (_reply: unknown, { error }: { error: Error }) => reject(error),
        onResponse: (_request: unknown, _reply: unknown, response: never) => resolve(response)
      } as never)
    })
    const { statusCode: status, headers, stream } = await response
    const text = (await readBody(addAbortSignal(signal, stream))).toString()
    return { status, headers, text }
  }
  try {
    return await withTimeout(send, requestTimeoutMs, () => new McpOAuthError('providerTimeout'))
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    const isTimeout = (cause as FastifyError).statusCode === 504
    throw new McpOAuthError(isTimeout ? 'providerTimeout' : 'providerUnavailable', { cause })
  }
}
