/** How does a client of a thin proxy get tokens? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { formOf, type Endpoint } from '../host/endpoint.ts'
import { wrappedRefreshSeconds } from '../limits.ts'
import { basicCredentials, parseClientAuthentication } from '../oauth/client-authentication.ts'
import {
  parseTokenRequest,
  userGrantParsers,
  type AuthorizationCodeRequest,
  type RefreshTokenRequest
} from '../oauth/token-request.ts'
import { parseTokenResponse, type ProviderTokenResponse } from '../oauth/token-response.ts'
import { hash } from '../util/hash.ts'
import { addProxyRoute, postForm } from './http-proxy.ts'
import type { ThinProxy } from './proxy.ts'

/**
 * `POST /oauth/token` of the thin proxies: adds our credentials and returns the provider's tokens.
 *
 * Only the two grants of a login are accepted, only for logins that began at our authorization
 * endpoint. The provider receives a new request with nothing but the parameters of the grant.
 */
export const tokenEndpoint: Endpoint<ThinProxy> = {
  name: 'token',
  methods: ['POST'],
  anyOrigin: true,
  metadata: 'token_endpoint',
  body: 'form',
  addRoute: addProxyRoute,
  handle: (proxy, request, reply) =>
    proxy.limitTokenRequests(() => handleTokenRequest(proxy, request, reply))
}

type UserGrantRequest = AuthorizationCodeRequest | RefreshTokenRequest

async function handleTokenRequest (
  proxy: ThinProxy,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<string> {
  const params = formOf(request)
  const grant = parseTokenRequest(params, proxy.urls().resource, userGrantParsers)
  const { clientId, method } = parseClientAuthentication(request.headers.authorization, params)
  const { sealer } = proxy
  const now = Date.now() / 1000
  if (method === 'private_key_jwt' || await proxy.clients.find(clientId, now) === null) {
    throw new McpOAuthError('invalidClient')
  }
  // Sealed refresh tokens belong to one client. Otherwise anybody could redeem any refresh token of
  // our application through us, with our secret.
  const owner = hash(clientId)
  let tokens: ProviderTokenResponse
  if (grant.grantType === 'authorization_code') {
    tokens = await redeemCode(proxy, reply, clientId, grant)
  } else {
    const sealed = await sealer.open('refresh', grant.refreshToken, now)
    if (sealed?.['c'] !== owner) throw new McpOAuthError('invalidGrant')
    tokens = await askProvider(proxy, reply, { ...grant, refreshToken: sealed['t'] as string })
  }
  if (tokens.refresh_token !== undefined) {
    const payload = { t: tokens.refresh_token, c: owner }
    tokens.refresh_token = await sealer.seal('refresh', payload, wrappedRefreshSeconds, now)
  }
  reply.code(200).header('content-type', 'application/json; charset=utf-8')
  return JSON.stringify(tokens)
}

/** The provider receives nothing but these parameters and our credentials. */
async function askProvider (
  proxy: ThinProxy,
  reply: FastifyReply,
  grant: UserGrantRequest
): Promise<ProviderTokenResponse> {
  const { clientId, urls, config: { provider: { clientSecret, audience } } } = proxy
  const { tokenEndpoint, token_endpoint_auth_methods_supported: methods } = await proxy
    .providerMetadata()
  // RFC 6749 §2.3.1. Without metadata about it, providers support client_secret_basic.
  const isBasic = clientSecret !== null &&
    (!methods?.includes('client_secret_post') || methods.includes('client_secret_basic'))
  const form = new URLSearchParams()
  const parameters = {
    grant_type: grant.grantType,
    ...(grant.grantType === 'authorization_code'
      ? { code: grant.code, redirect_uri: grant.redirectUri, code_verifier: grant.codeVerifier }
      : { refresh_token: grant.refreshToken, scope: grant.scopes?.join(' ') }),
    resource: grant.resource ?? (audience === null ? urls().resource : undefined),
    ...(!isBasic && { client_id: clientId, client_secret: clientSecret ?? undefined })
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) form.append(name, value)
  }
  const headers = isBasic ? { authorization: basicCredentials(clientId, clientSecret) } : {}
  const { status, text } = await postForm(reply, tokenEndpoint, headers, form.toString())
  return parseTokenResponse(status, text)
}

/** Lets each code pass once, and only if its login began at our authorization endpoint. */
async function redeemCode (
  proxy: ThinProxy,
  reply: FastifyReply,
  clientId: string,
  grant: AuthorizationCodeRequest
): Promise<ProviderTokenResponse> {
  const { loginRecords } = proxy
  const codeChallenge = hash(grant.codeVerifier)
  if (!await loginRecords.consume(clientId, codeChallenge, grant.redirectUri)) {
    throw new McpOAuthError('invalidGrant')
  }
  try {
    return await askProvider(proxy, reply, grant)
  } catch (error) {
    // Not the fault of the code: a retry may succeed.
    if (!(error instanceof McpOAuthError) || error.statusCode >= 500) {
      await loginRecords.release(clientId, codeChallenge)
    }
    throw error
  }
}
