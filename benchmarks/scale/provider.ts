import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { exportJWK, SignJWT } from 'jose'
import { generateKeyPair } from '../../test/support/key-pair.ts'
import { announce } from '../frame/contender.ts'
import { clientId, clientSecret } from './order.ts'

// The process of an OpenID provider that is fast enough not to be the bottleneck. The cookie `user`
// names a user who is logged in. PKCE, single-use codes and refresh tokens, nonces, the client's
// secret and `iss` are implemented in full.

interface Login {
  user: string
  redirectUri: string | null
  challenge: string | null
  nonce: string | null
}

const { publicKey, privateKey } = await generateKeyPair('ES256')
const jwk = { ...await exportJWK(publicKey), alg: 'ES256', use: 'sig', kid: 'one' }
const codes = new Map<string, Login>()
const refreshTokens = new Map<string, string>()

const server = createServer((request, response) => {
  answer(request).then(({ status = 200, location, body }) => {
    response.writeHead(
      status,
      location === undefined ? { 'content-type': 'application/json' } : { location }
    ).end(JSON.stringify(body ?? {}))
  }, () => {
    response.destroy()
  })
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
announce(issuer)

interface Answer {
  status?: number
  location?: string
  body?: object
}

async function answer (request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '', issuer)
  switch (url.pathname) {
    case '/.well-known/oauth-authorization-server':
      return { body: metadata() }
    case '/jwks':
      return { body: { keys: [jwk] } }
    case '/authorize':
      return authorize(url.searchParams, request.headers.cookie ?? '')
    case '/token':
      return await token(new URLSearchParams(await text(request)), request.headers.authorization)
    case '/revoke':
      return {}
    default:
      return { status: 404 }
  }
}

function metadata (): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
    authorization_response_iss_parameter_supported: true
  }
}

function authorize (asked: URLSearchParams, cookie: string): Answer {
  const user = /(?:^|; )user=([\w-]+)/.exec(cookie)?.[1]
  const redirectUri = asked.get('redirect_uri')
  if (user === undefined || redirectUri === null || asked.get('client_id') !== clientId) {
    return { status: 400 }
  }
  const code = random()
  codes.set(code, {
    user,
    redirectUri,
    challenge: asked.get('code_challenge'),
    nonce: asked.get('nonce')
  })
  const location = new URL(redirectUri)
  for (
    const [name, value] of Object.entries({ code, state: asked.get('state') ?? '', iss: issuer })
  ) location.searchParams.set(name, value)
  return { status: 302, location: location.href }
}

async function token (form: URLSearchParams, authorization: string | undefined): Promise<Answer> {
  if (!isOurs(authorization)) return { status: 401, body: { error: 'invalid_client' } }
  const login = form.get('grant_type') === 'refresh_token' ? refreshed(form) : redeemed(form)
  if (login === null) return { status: 400, body: { error: 'invalid_grant' } }
  const refreshToken = random()
  refreshTokens.set(refreshToken, login.user)
  const idToken = await new SignJWT(login.nonce === null ? {} : { nonce: login.nonce })
    .setProtectedHeader({ alg: 'ES256', kid: jwk.kid })
    .setIssuer(issuer).setSubject(login.user).setAudience(clientId).setIssuedAt().setExpirationTime(
      '5m'
    ).sign(privateKey)
  return {
    body: {
      access_token: random(),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: refreshToken,
      id_token: idToken
    }
  }
}

/** The id and the secret are form-encoded (RFC 6749 §2.3.1). */
function isOurs (authorization = ''): boolean {
  const [id, secret] = atob(authorization.replace(/^Basic /, '')).split(':').map(half =>
    decodeURIComponent(half.replaceAll('+', ' '))
  )
  return id === clientId && secret === clientSecret
}

function redeemed (form: URLSearchParams): Login | null {
  const code = form.get('code') ?? ''
  const login = codes.get(code)
  codes.delete(code)
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url')
  return login !== undefined && login.challenge === challenge &&
      login.redirectUri === form.get('redirect_uri')
    ? login
    : null
}

function refreshed (form: URLSearchParams): Login | null {
  const old = form.get('refresh_token') ?? ''
  const user = refreshTokens.get(old)
  refreshTokens.delete(old)
  return user === undefined ? null : { user, redirectUri: null, challenge: null, nonce: null }
}

function random (): string {
  return randomBytes(24).toString('base64url')
}
