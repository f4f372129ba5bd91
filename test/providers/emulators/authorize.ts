import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ProviderFacts, Refusal, User } from './provider.ts'
import { checkRules, membersOf, parametersOf, refuse, Refused, sendPage } from './requests.ts'
import type { Parameters } from './requests.ts'
import { consentOf, type EmulatedClient, type State } from './state.ts'

// How does a user log in at an emulated provider? Its login page answers at once.

const cookieName = 'emulated_session'

/** Who logs in, and whether they agree. */
export interface Visitor {
  user: User
  declines: boolean
}

/** Serves an authorization request. Returns the refusal, if it was refused. */
export function authorize (
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  visitor: Visitor,
  fault?: Refusal
): Refusal | null {
  const { facts } = state
  const { searchParams } = new URL(request.url ?? '', facts.issuer)
  let redirectUri: URL | undefined
  let parameters: Parameters = {}
  try {
    parameters = parametersOf(searchParams)
    redirectUri = redirectUriOf(facts, state.clients.get(parameters['client_id'] ?? ''), parameters)
    const scope = check(facts, parameters)
    const session = sessionOf(request, visitor.user)
    if (fault) refuse(fault)
    if (visitor.declines) refuse(facts.authorization.denied)
    const added = grantCode(state, parameters, scope, visitor.user, session)
    response.setHeader('set-cookie', `${cookieName}=${session}; Path=/; Secure; HttpOnly`)
    redirect(response, redirectUri, { ...added, state: parameters['state'] })
    return null
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const { refusal } = error
    if (refusal.at === 'page' || !redirectUri) sendPage(response, refusal)
    else redirect(response, redirectUri, { ...membersOf(refusal), ...issOf(facts, parameters) })
    return refusal
  }
}

/** Errors name the issuer and the state, too (RFC 9207 §2). */
function issOf ({ metadata, issuer }: ProviderFacts, { state }: Parameters) {
  const announced = metadata?.document['authorization_response_iss_parameter_supported'] === true
  return { state, ...announced && { iss: issuer } }
}

function redirect (response: ServerResponse, uri: URL, parameters: object): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) uri.searchParams.set(name, String(value))
  }
  response.writeHead(302, { location: uri.href, 'cache-control': 'no-store' }).end()
}

/** The session of the browser, if it is that of the user. */
function sessionOf ({ headers: { cookie = '' } }: IncomingMessage, { id }: User): string {
  const [, value = ''] = new RegExp(`${cookieName}=([^;]+)`).exec(cookie) ?? []
  return value.startsWith(`${id}.`) ? value : `${id}.${randomUUID()}`
}

function redirectUriOf (
  { authorization }: ProviderFacts,
  client: EmulatedClient | undefined,
  { redirect_uri: uri = '' }: Parameters
): URL {
  const page = { error: 'invalid_request', at: 'page' } as const
  const { redirectUri, clientRefusal, redirectUriRefusal } = authorization
  if (!client) refuse(clientRefusal ?? { ...page, description: 'unknown client_id' })
  const isRegistered = client.redirectUris.some(registered =>
    uri === registered || (redirectUri === 'below' && uri.startsWith(`${registered}/`))
  )
  if (!isRegistered) refuse(redirectUriRefusal ?? { ...page, description: 'unknown redirect_uri' })
  return new URL(uri)
}

/** Returns the scopes that are granted. */
function check ({ authorization }: ProviderFacts, parameters: Parameters): readonly string[] {
  const { rules, pkce, challengeMethods = ['S256', 'plain'], scopes } = authorization
  if (parameters['response_type'] !== 'code') refuse({ error: 'unsupported_response_type' })
  checkRules(rules, parameters)
  const { code_challenge: challenge, code_challenge_method: method = 'plain' } = parameters
  if (pkce === 'required' && challenge === undefined) {
    refuse({ error: 'invalid_request', description: 'code_challenge is required' })
  }
  if (pkce !== 'ignored' && challenge !== undefined && !challengeMethods.includes(method)) {
    refuse({ error: 'invalid_request', description: 'unknown code_challenge_method' })
  }
  const refusal = authorization.check?.(parameters)
  if (refusal) refuse(refusal)
  const requested = parameters['scope']?.split(' ')
  if (!requested) {
    if (scopes.absent === 'unknown') refuse({ error: 'invalid_scope', description: 'no scope' })
    if ('error' in scopes.absent) refuse(scopes.absent)
    return scopes.absent
  }
  const { known } = scopes
  const accepted = requested.filter(name => known === 'any' || known.includes(name))
  if (accepted.length < requested.length && scopes.others !== 'ignored') {
    refuse(scopes.others === 'unknown' ? { error: 'invalid_scope' } : scopes.others)
  }
  return authorization.grants?.(accepted) ?? accepted
}

/** Returns the parameters of a successful response. */
function grantCode (
  state: State,
  parameters: Parameters,
  scope: readonly string[],
  user: User,
  session: string
): Record<string, string> {
  const { facts } = state
  const grant = {
    user,
    clientId: parameters['client_id'] ?? '',
    scope,
    parameters,
    session,
    id: randomUUID(),
    issuer: facts.issuer
  }
  const login = { grant, startedAt: state.now(), hasEnded: false }
  const code = state.secret('code')
  const isNew = !state.consents.has(consentOf(grant)) ||
    parameters['prompt']?.split(' ').includes('consent') === true
  state.logins.push(login)
  state.consents.add(consentOf(grant))
  state.codes.set(code, {
    login,
    redirectUri: parameters['redirect_uri'] ?? null,
    issuedAt: state.now(),
    issuesRefreshToken: issuesRefreshToken(facts, parameters, scope, isNew)
  })
  return { code, ...facts.authorization.adds?.({ ...grant, isRefresh: false }) }
}

function issuesRefreshToken (
  { refresh: { issued } }: ProviderFacts,
  parameters: Parameters,
  scope: readonly string[],
  isNewConsent: boolean
): boolean {
  if (typeof issued === 'string') return issued === 'always'
  const { scope: needed, parameters: others = {}, unlessGranted = false } = issued
  return (needed === undefined || scope.includes(needed)) &&
    Object.entries(others).every(([name, value]) => parameters[name]?.split(' ').includes(value)) &&
    (!unlessGranted || isNewConsent)
}
