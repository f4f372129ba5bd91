import * as oidc from 'openid-client'
import { boundedFetch } from '../http/fetch.ts'
import { basicCredentials } from '../oauth/client-authentication.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'

/**
 * Our account at the provider, over our bounded fetch: what openid-client needs for each request.
 */
export function createOpenIdClient (
  metadata: ProviderMetadata,
  clientId: string,
  authentication: oidc.ClientAuth
): oidc.Configuration {
  const config = new oidc.Configuration(
    metadata as unknown as oidc.ServerMetadata,
    clientId,
    {},
    authentication
  )
  // Plain http is possible for loopback issuers only: the metadata was checked for that.
  if (metadata.issuer.startsWith('http:')) oidc.allowInsecureRequests(config)
  config[oidc.customFetch] = fetchBounded
  return config
}

/**
 * How we authenticate with a secret (RFC 6749 §2.3.1): in the header, unless only the body is
 * supported.
 *
 * @param secret null for a public client
 * @param method what is known beyond the metadata
 */
export function secretAuthentication (
  secret: string | null,
  supported: readonly string[] = ['client_secret_basic'],
  method?: 'client_secret_basic' | 'client_secret_post'
): oidc.ClientAuth {
  if (secret === null) return oidc.None()
  const post = method === undefined
    ? !supported.includes('client_secret_basic') && supported.includes('client_secret_post')
    : method === 'client_secret_post'
  return post
    ? oidc.ClientSecretPost(secret)
    : (_server, { client_id: id }, _body, headers) => {
      headers.set('authorization', basicCredentials(id, secret))
    }
}

/** Our fetch in the shape the library calls it: bounded in time and bytes, without redirects. */
const fetchBounded: oidc.CustomFetch = async (url, { method, headers, body }) => {
  const { status, text, headers: answered } = await boundedFetch(url, {
    method: method as 'GET' | 'POST',
    headers,
    ...(body != null && { body: String(body) })
  })
  const type = answered['content-type']
  return new Response([204, 205, 304].includes(status) ? null : text, {
    status,
    headers: type === undefined ? {} : { 'content-type': String(type) }
  })
}
