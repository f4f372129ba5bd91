import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SignJWT } from 'jose'
import { createKey, faults, type Issuer, type IssuerKey } from './issuer.ts'

/** A response that replaces the real one after the endpoint has done its work. */
export type Fault =
  | keyof typeof faults
  | { status: number, body: string, type?: string, headers?: Record<string, string> }

export interface ReceivedRequest {
  path: string
  authorization: string | undefined
  params: URLSearchParams
}

/**
 * A small OpenID provider: real HTTP, signed ID tokens, PKCE, single-use codes, refresh tokens, and
 * faults on demand.
 */
export interface StubProvider {
  origin: string
  issuer: string
  metadata: Record<string, unknown>
  /** All received requests except those for metadata. */
  requests: ReceivedRequest[]
  /** Requests for metadata. */
  lookups: number
  /** Received requests of a path. */
  count(path: string): number
  fail: Map<string, Fault>
  /** The user who signs in next. */
  user: string
  /** Overrides claims of the ID token; `undefined` removes one. */
  claims: Record<string, unknown>
  /** The response of the userinfo endpoint, beside `sub`. */
  userInfo: Record<string, unknown>
  /** Overrides the header of the ID token. */
  header: Record<string, unknown>
  /** The key that signs ID tokens. */
  key: IssuerKey
  /** The JWK set: initially the first key. */
  keys: object[]
  /** Overrides members of the token response; `undefined` removes one. */
  tokenOverrides: Record<string, unknown>
  /** Whether a request that fails uses up its code or refresh token. */
  spends: boolean
  /** The rotation of refresh tokens. */
  rotation: 'rotated' | 'same' | 'silent'
  /** `iss` parameters of authorization responses (RFC 9207). */
  iss: string[]
  /** Delay of a token request, in milliseconds. */
  delay: number
  /** Highest number of concurrent token requests. */
  most: number
  /** Valid refresh tokens. */
  refreshTokens: Map<string, string>
  /** All secrets that it has issued. */
  canaries: Set<string>
  stop(): Promise<void>
  /** Listens again on the same port. */
  start(): Promise<void>
  close(): Promise<void>
}

interface Login {
  user: string
  challenge: string
  nonce: string | null
  redirectUri: string
  scope: string
}

const json = { 'content-type': 'application/json' }
const random = (kind: string) => `canary-${kind}-${randomBytes(12).toString('hex')}`

/** Starts on a free port of loopback, with one registered client. */
export async function startStubProvider (
  { clientId, clientSecret }: { clientId: string, clientSecret: string }
): Promise<StubProvider> {
  let running = 0
  const server = createServer((request, response) => {
    respond(request, response).catch(() => {
      response.destroy()
    })
  })
  const listen = (port: number) =>
    new Promise<void>(resolve => {
      server.listen(port, '127.0.0.1', resolve)
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const key = await createKey('upstream')
  const codes = new Map<string, Login>()
  const stop = () =>
    new Promise<void>(resolve => {
      server.close(() => {
        resolve()
      })
      server.closeAllConnections()
    })

  const provider: StubProvider = {
    origin,
    issuer: origin,
    metadata: {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize?tenant=one`,
      token_endpoint: `${origin}/token`,
      revocation_endpoint: `${origin}/revoke`,
      userinfo_endpoint: `${origin}/userinfo`,
      jwks_uri: `${origin}/jwks`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['ES256'],
      code_challenge_methods_supported: ['S256']
    },
    requests: [],
    lookups: 0,
    count: path => provider.requests.filter(request => request.path === path).length,
    fail: new Map(),
    user: 'alice',
    claims: {},
    userInfo: {},
    header: {},
    key,
    keys: [key.jwk],
    tokenOverrides: {},
    spends: true,
    rotation: 'rotated',
    iss: [],
    delay: 0,
    most: 0,
    refreshTokens: new Map(),
    canaries: new Set(),
    stop,
    start: () => listen(port),
    close: stop
  }
  return provider

  async function respond (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', origin)
    const form = new URLSearchParams(await text(request))
    if (pathname.startsWith('/.well-known/')) {
      provider.lookups++
      provider.fail.has('/metadata')
        ? fail('/metadata', response)
        : send(response, 200, provider.metadata)
      return
    }
    provider.requests.push({
      path: pathname,
      authorization: request.headers.authorization,
      params: pathname === '/authorize' ? searchParams : form
    })
    switch (pathname) {
      case '/jwks':
        provider.fail.has(pathname)
          ? fail(pathname, response)
          : send(response, 200, { keys: provider.keys })
        return
      case '/authorize':
        authorize(searchParams, response)
        return
      case '/token': {
        provider.most = Math.max(provider.most, ++running)
        const [status, body] = await tokens(request, form)
        await new Promise(resolve => setTimeout(resolve, provider.delay))
        running--
        provider.fail.has(pathname) ? fail(pathname, response) : send(response, status, body)
        return
      }
      case '/userinfo':
      case '/revoke':
        provider.refreshTokens.delete(form.get('token') ?? '')
        provider.fail.has(pathname)
          ? fail(pathname, response)
          : send(response, 200, { sub: provider.user, ...provider.userInfo })
        return
      default:
        send(response, 404, {})
    }
  }

  function fail (path: string, response: ServerResponse): void {
    const fault = provider.fail.get(path)
    if (typeof fault === 'string') faults[fault](response, { origin } as Issuer)
    else {
      response.writeHead(fault?.status ?? 500, {
        ...fault?.headers,
        'content-type': fault?.type ?? 'application/json'
      }).end(fault?.body)
    }
  }

  function authorize (params: URLSearchParams, response: ServerResponse): void {
    const code = canary('code')
    const redirectUri = params.get('redirect_uri') ?? ''
    codes.set(code, {
      user: provider.user,
      challenge: params.get('code_challenge') ?? '',
      nonce: params.get('nonce'),
      redirectUri,
      scope: params.get('scope') ?? ''
    })
    const redirectUrl = new URL(redirectUri)
    redirectUrl.searchParams.set('code', code)
    redirectUrl.searchParams.set('state', params.get('state') ?? '')
    for (const iss of provider.iss) redirectUrl.searchParams.append('iss', iss)
    response.writeHead(302, { location: redirectUrl.href }).end()
  }

  async function tokens (
    request: IncomingMessage,
    form: URLSearchParams
  ): Promise<[status: number, body: object]> {
    const [, encoded = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? []
    if (
      decodeURIComponent(Buffer.from(encoded, 'base64').toString()) !==
        `${clientId}:${clientSecret}`
    ) return [401, { error: 'invalid_client' }]
    if (form.get('grant_type') === 'refresh_token') {
      const received = form.get('refresh_token') ?? ''
      const user = provider.refreshTokens.get(received)
      if (user === undefined) {
        return [400, { error: 'invalid_grant', error_description: 'canary-upstream-text' }]
      }
      const fails = !provider.spends && provider.fail.has('/token')
      if (provider.rotation !== 'rotated' || fails) {
        return [200, issue(provider.rotation === 'same' ? received : undefined)]
      }
      provider.refreshTokens.delete(received)
      return [200, issue(refreshToken(user))]
    }
    const login = codes.get(form.get('code') ?? '')
    if (provider.spends || !provider.fail.has('/token')) codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest(
      'base64url'
    )
    if (login?.challenge !== challenge || login.redirectUri !== form.get('redirect_uri')) {
      return [400, { error: 'invalid_grant', error_description: 'canary-upstream-text' }]
    }
    return [200, {
      ...issue(refreshToken(login.user)),
      id_token: await idToken(login),
      ...provider.tokenOverrides
    }]
  }

  function refreshToken (user: string): string {
    const token = canary('refresh')
    provider.refreshTokens.set(token, user)
    return token
  }

  function issue (refresh: string | undefined): object {
    return {
      access_token: canary('access'),
      token_type: 'Bearer',
      expires_in: 3600,
      ...(refresh !== undefined && { refresh_token: refresh }),
      ...provider.tokenOverrides
    }
  }

  async function idToken ({ user, nonce }: Login): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const claims = JSON.parse(
      JSON.stringify({
        iss: origin,
        aud: clientId,
        sub: user,
        iat: now,
        exp: now + 300,
        nonce: nonce ?? undefined,
        email: `${user}@example.com`,
        ...provider.claims
      })
    )
    const header = { alg: provider.key.alg, kid: provider.key.kid, ...provider.header }
    if (header.alg === 'none') {
      return `${
        [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join(
          '.'
        )
      }.`
    }
    return await new SignJWT(claims).setProtectedHeader(header as never).sign(
      provider.key.privateKey
    )
  }

  function canary (kind: string): string {
    const value = random(kind)
    provider.canaries.add(value)
    return value
  }

  function send (response: ServerResponse, status: number, body: object): void {
    response.writeHead(status, json).end(JSON.stringify(body))
  }
}
