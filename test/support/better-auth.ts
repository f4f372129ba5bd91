import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { oidc, type Preset } from '../../lib/providers/index.ts'
import type { ForeignProvider, Registration } from './glewlwyd.ts'
import { install, packagesOf } from './install.ts'

export interface BetterAuth extends ForeignProvider {
  /** Better Auth chooses the id and the secret of its clients. */
  options: Preset
  /** Calls an endpoint as the user. */
  post(path: string): Promise<void>
  /** How many refresh tokens the provider still accepts. */
  liveRefreshTokens(): number
}

const base = '/api/auth'
const credentials = { email: 'alice@example.org', password: 'the password of alice' }

/**
 * Starts Better Auth with one client and the user `alice`. Its issuer has a path, it issues refresh
 * tokens for `offline_access` only, and it rotates them. Null if it is not installed.
 */
export async function startBetterAuth (
  t: TestContext,
  { redirectUri }: Registration
): Promise<BetterAuth | null> {
  if (!await install(t, 'better-auth')) return null
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const { auth, tables, listener } = await createAuth(url)
  server.on('request', listener)
  const { headers } = await auth.api.signUpEmail({
    body: { name: 'Alice', ...credentials },
    returnHeaders: true
  })
  const client = await auth.api.adminCreateOAuthClient({
    headers: new Headers({ cookie: cookiesOf(headers) }),
    body: {
      redirect_uris: [redirectUri],
      // OpenID Connect has http redirect URIs for native clients only.
      application_type: 'native',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'openid email profile offline_access'
    }
  })
  let cookie = ''
  return {
    issuer: url + base,
    options: oidc({
      issuer: url + base,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      offlineAccess: true
    }),
    fetch: async (input, init) => {
      const { body } = init ?? {}
      const isOwn = String(input).startsWith(url)
      if (isOwn && body instanceof URLSearchParams && body.has('password')) {
        for (const [name, value] of Object.entries(credentials)) body.set(name, value)
      }
      const response = await fetch(input, init)
      if (isOwn) cookie = cookiesOf(response.headers) || cookie
      return response
    },
    post: async path => {
      const response = await fetch(`${url}${base}${path}`, {
        method: 'POST',
        headers: { cookie, origin: url, 'content-type': 'application/json' },
        body: '{}'
      })
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    },
    liveRefreshTokens: () =>
      tables['oauthRefreshToken']?.filter(({ revoked }) => !revoked).length ?? 0
  }
}

function cookiesOf (headers: Headers): string {
  return headers.getSetCookie().map(line => line.split(';')[0]).join('; ')
}

async function createAuth (url: string) {
  const [
    { betterAuth },
    { memoryAdapter },
    { getAuthTables },
    { toNodeHandler },
    { jwt },
    { oauthProvider }
  ] = await Promise.all([
    'better-auth',
    'better-auth/adapters/memory',
    'better-auth/db',
    'better-auth/node',
    'better-auth/plugins',
    '@better-auth/oauth-provider'
  ].map(load)) as any[]
  const tables: Record<string, Array<Record<string, unknown>>> = {}
  const options = {
    baseURL: url,
    basePath: base,
    secret: randomBytes(32).toString('hex'),
    database: memoryAdapter(tables),
    emailAndPassword: { enabled: true },
    user: { deleteUser: { enabled: true } },
    telemetry: { enabled: false },
    logger: { level: 'error' },
    plugins: [
      jwt(),
      oauthProvider({
        loginPage: '/sign-in',
        consentPage: '/consent'
      })
    ]
  }
  for (const { modelName } of Object.values<{ modelName: string }>(getAuthTables(options))) {
    tables[modelName] = []
  }
  const auth = betterAuth(options)
  return { auth, tables, listener: listenerOf(url, auth, toNodeHandler(auth)) }
}

async function load (specifier: string): Promise<any> {
  const { resolve } = createRequire(join(packagesOf('better-auth'), 'package.json'))
  return await import(pathToFileURL(resolve(specifier)).href)
}

interface Auth {
  handler(request: Request): Promise<Response>
}

/** The fields of the pages that an application with Better Auth brings. */
const pages: Record<
  string,
  { fields: string, path: string, body: (form: URLSearchParams) => object }
> = {
  '/sign-in': {
    fields: '<input name="email"><input name="password"><button>Sign in</button>',
    path: '/sign-in/email',
    body: form => ({ email: form.get('email'), password: form.get('password') })
  },
  '/consent': {
    fields: '<button name="answer" value="allow">Allow</button>',
    path: '/oauth2/consent',
    body: form => ({ accept: form.get('answer') === 'allow' })
  }
}

/** The two pages, and the endpoints of Better Auth. */
function listenerOf (url: string, auth: Auth, handle: RequestListener): RequestListener {
  return async (incoming, outgoing) => {
    const { pathname, search } = new URL(incoming.url ?? '', url)
    // fetch cannot name itself a navigation, and other requests receive JSON instead of a redirect.
    if (incoming.headers.accept === 'text/html') incoming.headers['sec-fetch-mode'] = 'navigate'
    const page = pages[pathname]
    if (!page) {
      handle(incoming, outgoing)
      return
    }
    if (incoming.method === 'GET') {
      outgoing.setHeader('content-type', 'text/html')
      outgoing.end(`<form method="post">${page.fields}</form>`)
      return
    }
    const form = new URLSearchParams(await text(incoming))
    const response = await auth.handler(
      new Request(url + base + page.path, {
        method: 'POST',
        headers: headersOf(incoming),
        body: JSON.stringify({ ...page.body(form), oauth_query: search.slice(1) })
      })
    )
    const answer = await response.text()
    const location = response.ok ? JSON.parse(answer).url : undefined
    if (location === undefined) outgoing.writeHead(response.status).end(answer)
    else outgoing.writeHead(303, { location, 'set-cookie': response.headers.getSetCookie() }).end()
  }
}

function headersOf ({ headers: { cookie = '', origin = '' } }: IncomingMessage) {
  return { cookie, origin, 'content-type': 'application/json', accept: 'application/json' }
}
