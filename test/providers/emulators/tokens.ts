import { createHash } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Grant, ProviderFacts } from './provider.ts'
import type { Login, State } from './state.ts'

// Which tokens does an emulated provider issue?

/** The real time, as verifiers of JWTs have no other. */
const seconds = () => Math.floor(Date.now() / 1000)

/** Returns the successful response to a token request. */
export async function issueTokens (
  state: State,
  login: Login,
  { isRefresh, refreshToken, scope }: {
    isRefresh: boolean
    refreshToken: string | null
    scope: readonly string[]
  }
): Promise<Record<string, unknown>> {
  const { facts } = state
  const { token, idToken } = facts
  const grant: Grant = { ...login.grant, scope, isRefresh }
  const accessToken = await issueAccessToken(state, login, grant)
  const hasIdToken = idToken &&
    (isRefresh ? idToken.onRefresh === true : true) &&
    (idToken.withoutOpenid || scope.includes('openid'))
  const lifetime = facts.accessToken.seconds
  return {
    access_token: accessToken,
    token_type: token.type ?? 'Bearer',
    ...token.expiresIn !== 'absent' && {
      expires_in: token.expiresIn === 'text' ? String(lifetime) : lifetime
    },
    ...token.scope !== 'absent' && { scope: scope.join(token.scope === 'commas' ? ',' : ' ') },
    ...refreshToken !== null && { refresh_token: refreshToken },
    ...hasIdToken && { id_token: await issueIdToken(state, grant) },
    ...token.adds?.(grant)
  }
}

async function issueAccessToken (state: State, login: Login, grant: Grant): Promise<string> {
  const { format, seconds: lifetime, prefix, header, claims } = state.facts.accessToken
  const isJwt = (typeof format === 'function' ? format(grant) : format) === 'jwt'
  const now = seconds()
  const token = isJwt
    ? await sign(state, 'RS256', {
      iss: grant.issuer,
      iat: now,
      exp: now + lifetime,
      jti: state.secret('jti'),
      ...claims?.(grant)
    }, header)
    : state.secret('access', prefix)
  state.canaries.add(token)
  state.accessTokens.set(token, { login, expiresAt: state.now() + lifetime, hasEnded: false })
  return token
}

async function issueIdToken (state: State, grant: Grant): Promise<string> {
  const { algorithm, seconds: lifetime, claims, nonceOnRefresh = false } = state.facts
    .idToken as NonNullable<ProviderFacts['idToken']>
  const now = seconds()
  const token = await sign(state, algorithm, {
    iss: grant.issuer,
    aud: grant.clientId,
    iat: now,
    exp: now + lifetime,
    ...(!grant.isRefresh || nonceOnRefresh) && { nonce: grant.parameters['nonce'] },
    ...claims(grant)
  })
  state.canaries.add(token)
  return token
}

async function sign (
  { keys }: State,
  algorithm: string,
  claims: Record<string, unknown>,
  header: Readonly<Record<string, unknown>> = { typ: 'JWT' }
): Promise<string> {
  const key = keys.find(({ alg }) => alg === algorithm)
  if (!key) throw new Error(`no key for ${algorithm}`)
  const present = JSON.parse(JSON.stringify(claims))
  return await new SignJWT(present).setProtectedHeader({ alg: algorithm, kid: key.kid, ...header })
    .sign(key.privateKey)
}

export function challengeOf (verifier: string, method: string): string {
  return method === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier
}
