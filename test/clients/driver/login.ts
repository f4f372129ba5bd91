import { createHash, randomBytes } from 'node:crypto'
import type { RequestKind, ScopeSource } from '../client.ts'
import type { KnownFacts } from './commonest.ts'
import type { Discovered } from './discovery.ts'
import { objectOf, type Requester } from './http.ts'
import type { Configuration, Credentials } from './identify.ts'

const random = () => randomBytes(32).toString('base64url')

/** The scope of a login, before any step-up. */
export function scopeOf (
  { scope, addedScopes }: KnownFacts,
  { challenge, resource, server }: Discovered,
  configuration: Configuration = {}
): string | undefined {
  const from = (source: ScopeSource): string | undefined => {
    if (typeof source === 'object') return source.fixed
    if (source === 'challenge') return challenge['scope']
    if (source === 'configuration') return configuration.scope
    return (source === 'resource metadata' ? resource : server)?.['scopes_supported']?.join(' ')
  }
  const chosen = scope.map(from).find(text => text)?.split(' ') ?? []
  return [...new Set([...chosen, ...addedBy({ addedScopes }, server)])].join(' ') || undefined
}

/** Scopes that the client adds to every request. */
export function addedBy (
  { addedScopes }: Pick<KnownFacts, 'addedScopes'>,
  server: Record<string, any>
): string[] {
  const advertised: unknown[] = server['scopes_supported'] ?? []
  return addedScopes.flatMap(({ scope, when }) =>
    when === 'always' || advertised.includes(scope) ? [scope] : []
  )
}

/** The parameter `resource` of a request. */
export function resourceOf (
  { resource: fact }: KnownFacts,
  mcp: string,
  { resource }: Discovered,
  kind: RequestKind
): string | undefined {
  if (fact === null || fact.at === 'unknown' || !fact.at.includes(kind)) return undefined
  const url = fact.value === 'mcp' ? mcp : resource?.['resource'] as string | undefined
  if (url === undefined || fact.spelling === 'unchanged') return url
  if (fact.spelling === 'parsed') return new URL(url).href
  const bare = url.replace(/\/$/, '')
  return fact.spelling === 'with slash' ? `${bare}/` : bare
}

/** An authorization request, and the secrets that belong to it. */
export interface AuthorizationRequest {
  url: URL
  redirectUri: string
  state: string | undefined
  verifier: string | undefined
}

export function authorizationRequest (
  facts: KnownFacts,
  { server }: Discovered,
  { clientId, redirectUri, scope, resource }: {
    clientId: string
    redirectUri: string
    scope: string | undefined
    resource: string | undefined
  }
): AuthorizationRequest {
  const verifier = facts.pkce === null ? undefined : random()
  const challenge = facts.pkce === 'S256'
    ? createHash('sha256').update(verifier ?? '').digest('base64url')
    : verifier
  const state = facts.state?.replaceAll('{random}', random)
  const asksOffline = scope?.split(' ').includes('offline_access') === true
  const { prompt } = facts
  const params = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    ...facts.pkce !== null && { code_challenge: challenge, code_challenge_method: facts.pkce },
    state,
    scope,
    resource,
    prompt: prompt && (prompt.when === 'always' || asksOffline) ? prompt.value : undefined,
    ...facts.authorizationParameters
  }
  const url = new URL(server['authorization_endpoint'])
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return { url, redirectUri, state, verifier }
}

/**
 * Sends a token request with the authentication of the client.
 *
 * @throws {Error} if it is refused
 */
export async function requestTokens (
  facts: KnownFacts,
  { server }: Discovered,
  credentials: Credentials,
  params: Record<string, string | undefined>,
  http: Requester
): Promise<Record<string, any>> {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) if (value !== undefined) form.set(name, value)
  const headers = authenticate(facts, server, credentials, form)
  const response = await http.form(server['token_endpoint'], form, headers)
  const answer = objectOf(response.text)
  if (response.status === 200 && typeof answer?.['access_token'] === 'string') return answer
  throw new Error(
    `The ${params['grant_type']} grant was answered with ${response.status} ${
      response.text.slice(0, 200)
    }`
  )
}

/** Adds the client's authentication to a form. Returns headers. */
export function authenticate (
  { tokenAuthentication }: KnownFacts,
  server: Record<string, any>,
  { id, secret, method: registered }: Credentials,
  form: URLSearchParams
): Record<string, string> {
  const supported: string[] = server['token_endpoint_auth_methods_supported'] ??
    ['client_secret_basic']
  const usable = tokenAuthentication.filter(name =>
    name === 'none'
      ? secret === undefined
      : secret !== undefined && name.startsWith('client_secret')
  )
  const method = usable.find(name => name === registered) ??
    usable.find(name => supported.includes(name)) ?? usable[0]
  if (method === 'client_secret_basic') {
    const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
    const pair = `${encode(id)}:${encode(secret ?? '')}`
    return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
  }
  form.set('client_id', id)
  if (method === 'client_secret_post') form.set('client_secret', secret ?? '')
  return {}
}

/**
 * Checks the response to an authorization request RFC 6749 §4.1.2 and RFC 9207 §2.4.
 */
export function checkCallback (
  answer: URL,
  { redirectUri, state, server }: {
    redirectUri: string
    state: string | undefined
    server: Record<string, any>
  }
): void {
  const read = (name: string) => answer.searchParams.get(name)
  if (!answer.href.startsWith(redirectUri)) throw new Error(`The login ended at ${answer.href}`)
  if (read('error') !== null) {
    throw new Error(`The login was answered with ${read('error')}: ${read('error_description')}`)
  }
  if ((read('state') ?? undefined) !== state) throw new Error('The login returned another state')
  const iss = read('iss')
  const isMissing = iss === null &&
    server['authorization_response_iss_parameter_supported'] === true
  if (isMissing || (iss !== null && iss !== server['issuer'])) {
    throw new Error(`The login returned the issuer ${iss}`)
  }
  if (read('code') === null) throw new Error('The login returned no code')
}
