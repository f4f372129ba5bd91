import type { IncomingMessage } from 'node:http'
import type { ProviderFacts } from './provider.ts'
import { readForm, refuse, type Parameters } from './requests.ts'
import type { State } from './state.ts'
import { authenticate, failWith } from './token.ts'

// How does an emulated provider describe users, publish its keys and revoke tokens?

const optionalMembers = ['kid', 'use', 'alg'] as const

export function publishedKeys ({ facts, keys }: State): object {
  const { keyMembers = optionalMembers, idToken } = facts
  const hidden: readonly string[] = optionalMembers.filter(name => !keyMembers.includes(name))
  const used = ['RS256', idToken?.algorithm]
  return {
    keys: keys.filter(({ alg }) => used.includes(alg)).map(({ jwk }) =>
      Object.fromEntries(Object.entries(jwk).filter(([name]) => !hidden.includes(name)))
    )
  }
}

export function describeUser (state: State, { headers }: IncomingMessage): object {
  const { claims, scope, headers: required = [], refusal, check } = state.facts
    .userinfo as NonNullable<ProviderFacts['userinfo']>
  const missing = required.find(name => headers[name] === undefined)
  if (missing !== undefined) {
    refuse({ error: 'forbidden', description: `no ${missing}`, status: 403 })
  }
  const [, value = ''] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? []
  const token = state.accessTokens.get(value)
  const isValid = token && !token.hasEnded && !token.login.hasEnded && state.now() < token.expiresAt
  if (!isValid) refuse(refusal ?? { error: 'invalid_token' })
  const { grant } = token.login
  if (scope !== undefined && !grant.scope.includes(scope)) {
    refuse({ error: 'insufficient_scope', status: 403 })
  }
  const other = check?.({ ...grant, isRefresh: false })
  if (other) refuse(other)
  return claims({ ...grant, isRefresh: false })
}

/** Revokes a token (RFC 7009). */
export async function revoke (
  state: State,
  request: IncomingMessage,
  received: (parameters: Parameters) => void
): Promise<object> {
  const parameters = await readForm(request)
  received(parameters)
  const { refreshToken, accessToken, unknown, authentication } = state.facts
    .revocation as NonNullable<ProviderFacts['revocation']>
  const client = authentication === 'client' &&
    authenticate(state, request, parameters, failWith(state.facts))
  const { token: value = '' } = parameters
  const token = state.refreshTokens.get(value) ?? state.accessTokens.get(value)
  const isOwn = token && (!client || token.login.grant.clientId === client.clientId)
  if (!isOwn || token.hasEnded || token.login.hasEnded) {
    if (unknown !== 'ok') refuse(unknown === 'unknown' ? { error: 'invalid_token' } : unknown)
    return {}
  }
  const extent = state.refreshTokens.has(value) ? refreshToken : accessToken
  if (typeof extent === 'object') refuse(extent)
  if (extent === 'token') token.hasEnded = true
  else if (extent !== 'ignored') state.end(token.login, extent)
  return {}
}
