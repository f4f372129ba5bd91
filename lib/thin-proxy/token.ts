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
 * endpoint. The provider receives a new request with nothing but the members of {@link formFor}.
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
  const sent = parseTokenRequest(params, proxy.urls().resource, userGrantParsers)
  const { clientId, method } = parseClientAuthentication(request.headers.authorization, params)
  if (
    method === 'private_key_jwt' || await proxy.clients.find(clientId, Date.now() / 1000) === null
  ) throw new McpOAuthError('invalidClient')

  const send = (grant: UserGrantRequest) => askProvider(proxy, reply, grant)
  const tokens = sent.grantType === 'authorization_code'
    ? await withLoginRecord(proxy, clientId, sent, () => send(sent))
    : await send({ ...sent, refreshToken: await unwrap(proxy, clientId, sent.refreshToken) })
  const { refresh_token: refreshToken } = tokens
  reply.code(200).header('content-type', 'application/json; charset=utf-8')
  return JSON.stringify({
    ...tokens,
    ...(refreshToken !== undefined && {
      refresh_token: await wrap(proxy, clientId, refreshToken)
    })
  })
}

async function askProvider (
  proxy: ThinProxy,
  reply: FastifyReply,
  grant: UserGrantRequest
): Promise<ProviderTokenResponse> {
  const metadata = await proxy.providerMetadata()
  const { clientId, config: { provider: { clientSecret } } } = proxy
  // The authentication method that the provider supports (RFC 6749 §2.3.1).
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  const isBasic = clientSecret !== null &&
    (methods.includes('client_secret_basic') || !methods.includes('client_secret_post'))
  const fields = {
    ...formFor(proxy, grant),
    ...(!isBasic && { client_id: clientId, client_secret: clientSecret ?? undefined })
  }
  const sent = Object.entries(fields).filter((field): field is [string, string] =>
    field[1] !== undefined
  )
  const { status, text } = await postForm(
    reply,
    metadata.token_endpoint,
    isBasic ? { authorization: basicCredentials(clientId, clientSecret) } : {},
    new URLSearchParams(sent).toString()
  )
  return parseTokenResponse(status, text)
}

/** The members that the provider receives, without our credentials. */
function formFor (
  { urls, config: { provider: { audience } } }: ThinProxy,
  grant: UserGrantRequest
): Record<string, string | undefined> {
  return {
    grant_type: grant.grantType,
    ...(grant.grantType === 'authorization_code'
      ? { code: grant.code, redirect_uri: grant.redirectUri, code_verifier: grant.codeVerifier }
      : { refresh_token: grant.refreshToken, scope: grant.scopes?.join(' ') }),
    resource: grant.resource ?? (audience === null ? urls().resource : undefined)
  }
}

/**
 * Seals a refresh token of the provider for one client. Otherwise anybody could redeem any refresh
 * token of our application through us, with our secret.
 */
function wrap ({ sealer }: ThinProxy, clientId: string, token: string): Promise<string> {
  const payload = { t: token, c: hash(clientId) }
  return sealer.seal('refresh', payload, wrappedRefreshSeconds, Date.now() / 1000)
}

async function unwrap ({ sealer }: ThinProxy, clientId: string, sealed: string): Promise<string> {
  const opened = await sealer.open('refresh', sealed, Date.now() / 1000) as
    | { t: string, c: string }
    | null
  if (opened?.c !== hash(clientId)) throw new McpOAuthError('invalidGrant')
  return opened.t
}

/** Lets each code pass once, and only if its login began at our authorization endpoint. */
async function withLoginRecord (
  { loginRecords }: ThinProxy,
  clientId: string,
  { codeVerifier, redirectUri }: AuthorizationCodeRequest,
  redeem: () => Promise<ProviderTokenResponse>
): Promise<ProviderTokenResponse> {
  const codeChallenge = hash(codeVerifier)
  const isUnused = await loginRecords.has(clientId, codeChallenge, redirectUri) &&
    await loginRecords.consume(clientId, codeChallenge)
  if (!isUnused) throw new McpOAuthError('invalidGrant')
  try {
    return await redeem()
  } catch (error) {
    // Not the fault of the code: a retry may succeed.
    if (!(error instanceof McpOAuthError) || error.statusCode >= 500) {
      await loginRecords.release(clientId, codeChallenge)
    }
    throw error
  }
}
