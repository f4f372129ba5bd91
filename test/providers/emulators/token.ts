import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Grant, ProviderFacts, Refusal, TokenFault } from './provider.ts'
import {
  checkRules,
  membersOf,
  readForm,
  refuse,
  Refused,
  sendJson,
  statusOf,
  type Parameters
} from './requests.ts'
import type { EmulatedClient, Login, State } from './state.ts'
import { challengeOf, issueTokens } from './tokens.ts'

// How does an emulated provider answer token requests?

const standard: Record<TokenFault, Refusal> = {
  client: { error: 'invalid_client' },
  grantType: { error: 'unsupported_grant_type' },
  code: { error: 'invalid_grant', description: 'the code is invalid' },
  verifier: { error: 'invalid_grant', description: 'the code_verifier does not fit' },
  redirectUri: { error: 'invalid_grant', description: 'the redirect_uri does not fit' },
  refreshToken: { error: 'invalid_grant', description: 'the refresh token is invalid' },
  expiredRefreshToken: { error: 'invalid_grant', description: 'the refresh token has expired' },
  reusedRefreshToken: { error: 'invalid_grant', description: 'the refresh token was used before' }
}

export type Fail = (fault: TokenFault) => never

export function failWith ({ token: { faults } }: ProviderFacts): Fail {
  return fault => refuse(faults[fault] ?? standard[fault])
}

/** Serves a token request. Returns the refusal, if it was refused. */
export async function serveTokens (
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  received: (parameters: Parameters) => void,
  fault?: Refusal
): Promise<Refusal | null> {
  const { facts } = state
  const isForm = facts.token.format === 'form' && !/json/.test(request.headers.accept ?? '')
  const send = (status: number, body: Record<string, unknown>) => {
    if (!isForm) {
      sendJson(response, status, body)
      return
    }
    response.writeHead(status, { 'content-type': 'application/x-www-form-urlencoded' })
      .end(new URLSearchParams(body as Record<string, string>).toString())
  }
  try {
    const parameters = await readForm(request)
    received(parameters)
    const fail = failWith(facts)
    if (fault) refuse(fault)
    const client = authenticate(state, request, parameters, fail)
    checkRules(facts.token.rules, parameters)
    const grants: Record<string, typeof redeem> = {
      authorization_code: redeem,
      refresh_token: renew
    }
    const grant = grants[parameters['grant_type'] ?? ''] ?? fail('grantType')
    send(200, await grant(state, client, parameters, fail))
    return null
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    send(statusOf(error.refusal), membersOf(error.refusal))
    return error.refusal
  }
}

/** Returns the client that sent a request (RFC 6749 §2.3), by one method only. */
export function authenticate (
  { clients, facts }: State,
  { headers }: IncomingMessage,
  parameters: Parameters,
  fail: Fail
): EmulatedClient {
  const [, basic] = /^Basic (.+)$/i.exec(headers.authorization ?? '') ?? []
  const [id, secret] = basic === undefined
    ? [parameters['client_id'], parameters['client_secret']]
    : Buffer.from(basic, 'base64').toString().split(':').map(part =>
      decodeURIComponent(part.replaceAll('+', ' '))
    )
  const method = basic !== undefined
    ? 'client_secret_basic'
    : secret !== undefined
    ? 'client_secret_post'
    : 'none'
  const client = clients.get(id ?? '')
  if (basic !== undefined && parameters['client_secret'] !== undefined) {
    refuse({ error: 'invalid_request', description: 'two methods of client authentication' })
  }
  const isValid = facts.token.authentication.includes(method) &&
    (parameters['client_id'] ?? id) === id &&
    (client?.clientSecret ?? undefined) === secret
  return client && isValid ? client : fail('client')
}

async function redeem (
  state: State,
  client: EmulatedClient,
  parameters: Parameters,
  fail: Fail
): Promise<Record<string, unknown>> {
  const { facts } = state
  const code = state.codes.get(parameters['code'] ?? '') ?? fail('code')
  state.codes.delete(parameters['code'] ?? '')
  const { login } = code
  const { grant } = login
  const lifetime = facts.token.codeSeconds === 'unknown' ? 60 : facts.token.codeSeconds
  const isValid = !login.hasEnded && state.now() < code.issuedAt + lifetime
  if (!isValid || grant.clientId !== client.clientId) fail('code')
  const { redirect_uri: uri, code_verifier: verifier = '' } = parameters
  if (code.redirectUri !== (uri ?? null)) fail('redirectUri')
  const { code_challenge: challenge, code_challenge_method: method = 'plain' } = grant.parameters
  const isVerified = facts.authorization.pkce === 'ignored' || challenge === undefined ||
    challengeOf(verifier, method) === challenge
  if (!isVerified) fail('verifier')
  check(facts, { ...grant, isRefresh: false }, parameters)
  const refreshToken = code.issuesRefreshToken ? addRefreshToken(state, login) : null
  return await issueTokens(state, login, { isRefresh: false, refreshToken, scope: grant.scope })
}

function addRefreshToken (state: State, login: Login): string {
  const { prefix, maxTokens = Infinity } = state.facts.refresh
  const token = state.secret('refresh', prefix)
  const others = [...state.refreshTokens.values()].filter(other =>
    other.login.grant.user.id === login.grant.user.id &&
    other.login.grant.clientId === login.grant.clientId && !other.hasEnded
  )
  for (const oldest of others.slice(0, Math.max(0, others.length + 1 - maxTokens))) {
    oldest.hasEnded = true
  }
  state.refreshTokens.set(token, { login, usedAt: state.now(), replacedAt: null, hasEnded: false })
  return token
}

async function renew (
  state: State,
  client: EmulatedClient,
  parameters: Parameters,
  fail: Fail
): Promise<Record<string, unknown>> {
  const { refresh } = state.facts
  const value = parameters['refresh_token'] ?? ''
  const token = state.refreshTokens.get(value) ?? fail('refreshToken')
  const { login } = token
  const { grant } = login
  if (token.hasEnded || login.hasEnded || grant.clientId !== client.clientId) fail('refreshToken')
  const now = state.now()
  if (
    hasPassed(now, login.startedAt, refresh.seconds) ||
    hasPassed(now, token.usedAt, refresh.idleSeconds)
  ) fail('expiredRefreshToken')
  const grace = typeof refresh.graceSeconds === 'number' ? refresh.graceSeconds : 0
  if (token.replacedAt !== null && now >= token.replacedAt + grace) {
    if (refresh.reuse !== 'refused') state.end(login, 'login')
    fail('reusedRefreshToken')
  }
  const requested = refresh.scope === 'ignored' ? undefined : parameters['scope']?.split(' ')
  if (requested?.some(name => !grant.scope.includes(name))) refuse({ error: 'invalid_scope' })
  check(state.facts, { ...grant, isRefresh: true }, parameters)
  token.usedAt = now
  if (refresh.rotation === 'replaced') token.replacedAt ??= now
  const isNew = refresh.rotation === 'added' || refresh.rotation === 'replaced'
  const refreshToken = isNew ? addRefreshToken(state, login) : value
  return await issueTokens(state, login, {
    isRefresh: true,
    refreshToken: refresh.rotation === 'kept' ? null : refreshToken,
    scope: requested ?? grant.scope
  })
}

function check ({ token }: ProviderFacts, grant: Grant, parameters: Parameters): void {
  const refusal = token.check?.(grant, parameters)
  if (refusal) refuse(refusal)
}

/** An unknown lifetime is taken as an hour. */
function hasPassed (now: number, since: number, lifetime: number | null | 'unknown' | undefined) {
  return lifetime != null && now >= since + (lifetime === 'unknown' ? 3600 : lifetime)
}
