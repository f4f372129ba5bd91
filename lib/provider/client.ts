/** How do we call the identity provider as an OAuth client, and what do its errors mean? */
import * as oidc from 'openid-client'
import { failure, McpOAuthError } from '../errors.ts'
import { boundedFetch, objectOf } from '../http/fetch.ts'
import { basicCredentials } from '../oauth/client-authentication.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import type { FetchJson } from '../types.ts'

/**
 * Creates a client lazily, so that the app starts without the provider, and once for each version
 * of the metadata: a client caches the keys of its provider.
 *
 * @param load returns the metadata, the same object while they are unchanged
 * @param authenticate returns the client authentication for a version of the metadata
 */
export function lazyOpenIdClient (
  load: () => Promise<ProviderMetadata>,
  clientId: string,
  authenticate: (metadata: ProviderMetadata) => oidc.ClientAuth | Promise<oidc.ClientAuth>
): () => Promise<oidc.Configuration> {
  let current: { metadata: ProviderMetadata, client: ReturnType<typeof create> } | undefined

  async function create (metadata: ProviderMetadata) {
    const server = metadata as unknown as oidc.ServerMetadata
    const client = new oidc.Configuration(server, clientId, {}, await authenticate(metadata))
    // parseProviderMetadata() accepts plain http for issuers on loopback only.
    if (metadata.issuer.startsWith('http:')) oidc.allowInsecureRequests(client)
    client[oidc.customFetch] = fetchBounded
    return client
  }

  return async () => {
    const metadata = await load()
    if (current?.metadata !== metadata) current = { metadata, client: create(metadata) }
    return await current.client
  }
}

/**
 * Returns client authentication with a secret (RFC 6749 §2.3.1): in the header, unless the provider
 * supports it in the body only.
 *
 * @param secret null for a public client
 * @param method replaces the choice by the metadata
 */
export function secretAuthentication (
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

/** Bounds requests of the library in time and bytes. Redirects are not followed. */
const fetchBounded: oidc.CustomFetch = async (url, { method, headers: sent, body }) => {
  const { status, text, headers } = await boundedFetch(url, {
    method: method as 'GET' | 'POST',
    headers: sent,
    body: body == null ? null : String(body)
  })
  return new Response([204, 205, 304].includes(status) ? null : text, {
    status,
    headers: { 'content-type': String(headers['content-type'] ?? '') }
  })
}

/** Errors about our own credentials are configuration faults: the client keeps its session. */
const configurationErrors = [
  'invalid_client',
  'unauthorized_client',
  'incorrect_client_credentials'
]

const temporaryErrors = ['server_error', 'temporarily_unavailable', 'slow_down']

/**
 * Calls the provider. An OAuth error of the provider ends the grant; network errors keep their
 * kind. The text of a response is only logged.
 *
 * @param malformed kind of the error for a response without tokens and without an OAuth error (RFC
 *   6749 §5), such as the page of a firewall
 */
export async function callProvider<T> (
  operation: () => Promise<T>,
  malformed: 'invalidGrant' | 'providerMisbehaved' = 'invalidGrant'
): Promise<T> {
  try {
    return await operation()
  } catch (thrown) {
    const cause = thrown as Error & { status?: number, cause?: { status?: number } }
    const ownError = [cause, cause.cause].find(error => error instanceof McpOAuthError)
    if (ownError) throw ownError
    const status = cause.status ?? cause.cause?.status ?? 0
    const name = errorName(cause)
    if (configurationErrors.includes(name)) {
      throw new McpOAuthError('providerMisbehaved', {
        cause: new Error(`the provider rejected our clientId and clientSecret: ${name}`, { cause })
      })
    }
    if (status >= 500 || status === 429 || temporaryErrors.includes(name)) {
      throw new McpOAuthError('providerUnavailable', { cause })
    }
    throw new McpOAuthError(name === '' ? malformed : 'invalidGrant', { cause })
  }
}

/** Returns the OAuth error of a response. Some providers send it with status 200. */
function errorName (thrown: unknown): string {
  const { error, body, cause }: Record<string, unknown> = Object(thrown)
  const name = error ?? Object(body).error
  return typeof name === 'string' ? name : cause === undefined ? '' : errorName(cause)
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
  return objectOf(response)
}
