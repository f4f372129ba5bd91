/** How do we call the identity provider as an OAuth client, and what do its errors mean? */
import type * as oidc from 'openid-client'
import { failure, McpOAuthError, quoted, type ErrorKind } from '../errors.ts'
import { boundedFetch, objectOf, type FetchResponse } from '../http/fetch.ts'
import { basicCredentials } from '../oauth/client-authentication.ts'
import { maxRetryAfterSeconds } from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import type { FetchJson } from '../types.ts'
import { lazy } from '../util/lazy.ts'
import { faultOfIdToken } from './id-token.ts'

/** Loads openid-client, and jose with it, at the first login. */
export const loadOidc = lazy('openid-client', () => import('openid-client'))

type Oidc = typeof oidc

/**
 * Creates a client for requests to a provider.
 *
 * @param fetch sends the requests. Defaults to one that is bounded in time and bytes
 */
export function openIdClient (
  oidc: Oidc,
  metadata: ProviderMetadata,
  clientId: string,
  authentication: oidc.ClientAuth,
  fetch: oidc.CustomFetch = fetchBounded
) {
  const server = metadata as unknown as oidc.ServerMetadata
  const client = new oidc.Configuration(server, clientId, {}, authentication)
  // parseProviderMetadata() accepts plain http for issuers on loopback only.
  if (metadata.issuer.startsWith('http:')) oidc.allowInsecureRequests(client)
  client[oidc.customFetch] = fetch
  return client
}

/**
 * Returns client authentication with a secret (RFC 6749 §2.3.1): in the header, unless the provider
 * supports it in the body only.
 *
 * @param secret null for a public client
 * @param method replaces the choice by the metadata
 */
export function secretAuthentication (
  oidc: Oidc,
  secret: string | null,
  supported: readonly string[] = ['client_secret_basic'],
  method = ['client_secret_basic', 'client_secret_post'].find(name => supported.includes(name))
): oidc.ClientAuth {
  if (secret === null) return oidc.None()
  if (method === 'client_secret_post') return oidc.ClientSecretPost(secret)
  return (_server, { client_id: id }, _body, headers) => {
    headers.set('authorization', basicCredentials(id, secret))
  }
}

/** Sends a request of the library, bounded in time and bytes. Redirects are not followed. */
export async function send (
  url: string,
  { method, headers, body }: oidc.CustomFetchOptions,
  timeout?: number
) {
  return await boundedFetch(url, {
    method: method as 'GET' | 'POST',
    headers,
    body: body == null ? null : String(body),
    ...(timeout && { timeout })
  })
}

const fetchBounded: oidc.CustomFetch = async (url, options) => responseOf(await send(url, options))

export function responseOf ({ status, text, headers }: FetchResponse): Response {
  const kept = ['content-type', 'retry-after'].map(name => [name, String(headers[name] ?? '')])
  return new Response([204, 205, 304].includes(status) ? null : text, {
    // A Response has no status above 599.
    status: Math.min(status, 599),
    headers: Object.fromEntries(kept)
  })
}

/** Errors about our own settings, each with what it is about: the client keeps its session. */
const configurationErrors = new Map([
  ['invalid_client', 'clientId and clientSecret'],
  ['incorrect_client_credentials', 'clientId and clientSecret'],
  ['invalid_credentials', 'clientId and clientSecret'],
  ['unauthorized_client', 'grant type'],
  ['unsupported_grant_type', 'grant type'],
  ['invalid_scope', 'defaultScope']
])

/** Errors about a code or refresh token. Known providers send others than RFC 6749 has. */
const grantErrors = new RegExp(
  '^(?:invalid_(?:grant|request|code|refresh_token)|bad_(?:refresh_token|verification_code)|' +
    'access_denied|expired_token|token_(?:expired|inactive|revoked)|' +
    'refresh_token_(?:not_found|already_used)|session_(?:expired|not_found)|user_banned|\\w+_required)$'
)

const temporaryErrors = ['server_error', 'temporarily_unavailable', 'slow_down']

/**
 * Calls the provider. Only an OAuth error of the provider ends a grant (RFC 6749 §5.2); everything
 * else is a fault that may pass. The text of a response is only logged.
 *
 * @param clientErrors kinds of errors about what a client has sent. Defaults to none
 */
export async function callProvider<T> (
  operation: () => Promise<T>,
  clientErrors: ReadonlyMap<string, ErrorKind> = new Map()
): Promise<T> {
  try {
    return await operation()
  } catch (thrown) {
    const cause = thrown as Error
    const ownError = [cause, cause.cause].find(error => error instanceof McpOAuthError) ??
      faultOfIdToken(cause)
    if (ownError) throw ownError
    const status = statusOf(cause)
    const { name = '', code, namesClient } = oauthError(cause)
    // Auth0, Keycloak and OneLogin answer a wrong secret with 401, which is for it (RFC 6749 §5.2);
    // Google names a missing one.
    const isAboutSecret = status === 401
      ? /^(?:access_denied|unauthorized_client|invalid_request|)$/.test(name)
      : namesClient && name === 'invalid_request'
    const setting = configurationErrors.get(isAboutSecret ? 'invalid_client' : name)
    const response = responseIn(cause)
    // The library says that the response is an error, and not which one.
    const answer = [status, name || response?.headers.get('content-type'), code]
      .filter(Boolean).join(' ')
    const fault = (kind: ErrorKind, problem = 'The identity provider answered') => {
      const remedy = kind !== 'providerMisbehaved'
        ? ''
        : name === '' && setting === undefined
        ? ', which is no OAuth response. Look for a proxy, a firewall or maintenance in between'
        : '. Compare the settings at both'
      const said = answer === ''
        ? cause
        : new Error(`${problem}: ${quoted(answer)}${remedy}`, { cause })
      const retryAfter = kind === 'providerUnavailable' && retryAfterOf(cause)
      return new McpOAuthError(kind, { cause: said, ...retryAfter && { retryAfter } })
    }
    const kind = clientErrors.get(name)
    if (kind) throw fault(kind)
    if (setting) throw fault('providerMisbehaved', `the provider rejected our ${setting}`)
    if (status >= 500 || status === 429 || temporaryErrors.includes(name)) {
      throw fault('providerUnavailable')
    }
    // Gateways send errors in JSON, too, such as "Not Found" or "rate_limit_exceeded".
    throw fault(status < 404 && grantErrors.test(name) ? 'invalidGrant' : 'providerMisbehaved')
  }
}

/** Returns an error and its causes, the last of which may be a response. */
function* causesOf (thrown: unknown): Generator<Record<string, unknown>> {
  for (let error = thrown; error !== undefined; error = Object(error).cause) yield Object(error)
}

/** Returns the status of the response that an error was made from, or 0. */
export function statusOf (thrown: unknown) {
  for (const { status } of causesOf(thrown)) if (status != null) return status as number
  return 0
}

/** Returns the response that an error was made from. */
const responseIn = (thrown: unknown) =>
  [...causesOf(thrown)].map(error => error.response ?? error)
    .find(answer => answer instanceof Response)

/** Returns the seconds that a provider asks its clients to wait (RFC 9110 §10.2.3), if sensible. */
function retryAfterOf (thrown: unknown) {
  const seconds = Number(responseIn(thrown)?.headers.get('retry-after'))
  return seconds >= 1 && seconds <= maxRetryAfterSeconds ? Math.ceil(seconds) : undefined
}

/**
 * Returns the OAuth error of a response, which some providers send with status 200, a code that its
 * description begins with, such as those of Entra, and whether it names our credentials.
 */
function oauthError (thrown: unknown) {
  for (const cause of causesOf(thrown)) {
    const { error, body } = cause
    const { error: name, error_description: text } = Object(error === undefined ? body : cause)
    if (typeof name !== 'string') continue
    const namesClient = /client_(?:id|secret|assertion)/.test(String(text))
    return { name, code: /^[A-Z]+\d+/.exec(String(text))?.[0], namesClient }
  }
  return {}
}

/**
 * Requests JSON with the access token of a user, for presets.
 *
 * @throws {McpOAuthError} `invalidGrant` if the token was rejected: the account may be deleted
 */
export const fetchAsUser: FetchJson = async (url, headers) => {
  const response = await boundedFetch(url, { headers })
  if (response.status === 401) {
    throw failure('invalidGrant', 'the provider rejected its own access token')
  }
  const object = objectOf(response)
  if (!/\d{16}/.test(response.text)) return object
  return objectOf({ ...response, text: response.text.replace(jsonToken, quoteLargeNumber) })
}

/** Strings and numbers of a valid JSON text. */
const jsonToken = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Keeps a number that JavaScript would round as text: two users must not become one. */
function quoteLargeNumber (token: string) {
  const isRounded = /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))
  return isRounded ? `"${token}"` : token
}

/**
 * Returns the URL of an authorization request with PKCE (RFC 7636 §4.3). The endpoint may have a
 * query (a tenant, a policy), but must not repeat our parameters.
 *
 * @param parameters are left out if null or undefined
 */
export function authorizationUrl (
  endpoint: string,
  parameters: Record<string, string | null | undefined>
) {
  const url = new URL(endpoint)
  const all = { response_type: 'code', code_challenge_method: 'S256', ...parameters }
  for (const [name, value] of Object.entries(all)) {
    url.searchParams.delete(name)
    if (value != null) url.searchParams.append(name, value)
  }
  return url.href
}
