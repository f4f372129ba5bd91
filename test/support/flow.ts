import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { errorTable } from '../../lib/errors.ts'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { whoami, whoamiCall } from './guarded.ts'
import { startUpstream, type Upstream } from './upstream.ts'

export const publicUrl = 'https://mcp.example.com'
export const upstreamClient = {
  clientId: 'broker',
  clientSecret: `canary-client-secret-${randomBytes(12).toString('hex')}`
}
export const secret = `canary-sealing-secret-${randomBytes(12).toString('hex')}`
export const loopbackUri = 'http://127.0.0.1:4711/callback'
export const webUri = 'https://app.example/cb'
export const verifier = randomBytes(32).toString('base64url')
export const challenge = createHash('sha256').update(verifier).digest('base64url')

export type Params = Record<string, string | undefined> | string

/** An answer, checked for what holds of all of them. */
export interface Reply {
  status: number
  headers: Headers
  text: string
  location: URL | null
  cookies: string[]
  json(): Record<string, any>
}

/** One process of ours. */
export interface Instance {
  app: FastifyInstance
  origin: string
  /** Asks for a path below the prefix. Redirects are answers. */
  ask(path: string, init?: RequestInit): Promise<Reply>
  register(metadata?: object): Promise<string>
  authorize(params: Params, headers?: Record<string, string>): Promise<Reply>
  token(params: Params, headers?: Record<string, string>): Promise<Reply>
  revoke(params: Params, headers?: Record<string, string>): Promise<Reply>
  /** Calls the tool that shows its caller. */
  call(token: string): Promise<Reply>
}

/** Keeps cookies, as a browser does for one host. Instances are one host. */
export interface Browser {
  jar: Map<string, string>
  cookie(): string
  get(instance: Instance, path: string, headers?: Record<string, string>): Promise<Reply>
  post(
    instance: Instance,
    path: string,
    params: Params,
    headers?: Record<string, string>
  ): Promise<Reply>
}

export interface Flow extends Instance {
  upstream: Upstream
  instances: Instance[]
  prefix: string
  base: string
  resource: string
  logs: string[]
  /** A well-formed request of a client. */
  asked(
    clientId: string,
    more?: Record<string, string | undefined>
  ): Record<string, string | undefined>
  /** Log in up to a code. */
  login(clientId: string, more?: LoginSetup): Promise<string>
  /** Log in up to tokens. */
  tokens(clientId: string, more?: LoginSetup): Promise<Record<string, any>>
  /** The consent form a browser is shown. */
  form(browser: Browser, params: Params, instance?: Instance): Promise<string>
  /** Up to the callback's query. */
  approve(browser: Browser, params: Params, instance?: Instance): Promise<string>
  another(options?: Partial<McpOAuthOptions>): Promise<Instance>
}

export interface LoginSetup {
  params?: Record<string, string | undefined>
  browser?: Browser
  at?: Instance[]
}

export interface FlowSetup {
  options?: Partial<McpOAuthOptions>
  instances?: number
  app?: () => Promise<FastifyInstance>
  /**
   * Starts a server with these options somewhere else, in a process of its own. Resolves to its
   * origin.
   */
  launch?: (options: McpOAuthOptions) => Promise<string>
}

const unstable =
  /FST_ERR|\bERR_|node_modules|\bat \S+:\d+:\d+|openid-client|oauth4webapi|ECONN|undici/
const errorNames = new Set(errorTable().map(([, , , error]) => error))

/**
 * Our server, once or several times, in front of a small provider. Public as
 * `https://mcp.example.com`, reached on loopback.
 */
export async function startFlow (
  t: TestContext,
  { options = {}, instances: count = 1, app: create, launch }: FlowSetup = {}
): Promise<Flow> {
  const upstream = await startUpstream(upstreamClient)
  const logs: string[] = []
  const apps: FastifyInstance[] = []
  t.after(async () => {
    await Promise.all(apps.map(app => app.close()))
    await upstream.close()
  })
  const prefix = options.prefix ?? ''
  const base = publicUrl + prefix
  const resource = `${base}/mcp`

  async function another (more: Partial<McpOAuthOptions> = {}): Promise<Instance> {
    const app = await create?.() ??
      Fastify({
        logger: {
          level: 'trace',
          stream: {
            write: (line: string) => {
              logs.push(line)
            }
          }
        }
      })
    apps.push(app)
    const all: McpOAuthOptions = {
      issuer: upstream.issuer,
      ...upstreamClient,
      secret,
      setupProxies: true,
      publicUrl,
      requiredScopes: ['mcp:read'],
      scopes: ['mcp:write'],
      mcp: { server: whoami() },
      ...options,
      ...more
    }
    if (launch) return instanceOf(app, await launch(all), more.prefix ?? prefix)
    await app.register(mcpOAuth, all)
    app.get('/host', async () => ({ host: true }))
    await app.listen({ host: '127.0.0.1', port: 0 })
    return instanceOf(
      app,
      `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
      more.prefix ?? prefix
    )
  }

  function instanceOf (app: FastifyInstance, origin: string, prefix: string): Instance {
    const ask = async (path: string, init: RequestInit = {}): Promise<Reply> => {
      const response = await fetch(origin + prefix + path, { redirect: 'manual', ...init })
      return checked(response, await response.text(), upstream)
    }
    const post = (path: string) => (params: Params, headers: Record<string, string> = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: query(params)
      })
    return {
      app,
      origin,
      ask,
      async register (metadata = {}) {
        const body = JSON.stringify({
          redirect_uris: [loopbackUri],
          client_name: 'Test client',
          grant_types: ['authorization_code', 'refresh_token'],
          ...metadata
        })
        const reply = await ask('/oauth/register', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body
        })
        assert.equal(reply.status, 201, reply.text)
        return reply.json()['client_id'] as string
      },
      authorize: (params, headers = {}) =>
        ask(`/oauth/authorize?${query(params)}`, { headers: { accept: 'text/html', ...headers } }),
      token: post('/oauth/token'),
      revoke: post('/oauth/revoke'),
      call: token =>
        ask('/mcp', {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            authorization: `Bearer ${token}`
          },
          body: JSON.stringify(whoamiCall)
        })
    }
  }

  const instances: Instance[] = []
  for (let index = 0; index < count; index++) instances.push(await another())
  const [first] = instances as [Instance]

  const flow: Flow = {
    ...first,
    upstream,
    instances,
    prefix,
    base,
    resource,
    logs,
    another,
    asked: (clientId, more = {}) => ({
      response_type: 'code',
      client_id: clientId,
      redirect_uri: loopbackUri,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 's t/ä',
      resource,
      ...more
    }),
    async form (browser, params, instance = first) {
      const page = await browser.get(instance, `/oauth/authorize?${query(params)}`)
      assert.equal(page.status, 200, page.text)
      return hidden(page.text)
    },
    async approve (browser, params, instance = first) {
      const request = await flow.form(browser, params, instance)
      const reply = await browser.post(instance, '/oauth/consent', { request, action: 'approve' })
      assert.equal(reply.status, 303, reply.text)
      return await signIn(reply.location as URL)
    },
    async login (
      clientId,
      { params = {}, browser = openBrowser(), at = [first, first, first] } = {}
    ) {
      const [one = first, two = one, three = two] = at
      const request = await flow.form(browser, flow.asked(clientId, params), one)
      const approved = await browser.post(two, '/oauth/consent', { request, action: 'approve' })
      assert.equal(approved.status, 303, approved.text)
      const back = await browser.get(
        three,
        `/oauth/callback?${await signIn(approved.location as URL)}`
      )
      assert.equal(back.status, 302, back.text)
      const code = back.location?.searchParams.get('code')
      assert.ok(code, back.location?.href)
      return code
    },
    async tokens (clientId, setup = {}) {
      const code = await flow.login(clientId, setup)
      const reply = await (setup.at?.[3] ?? first).token(redeem(clientId, code))
      assert.equal(reply.status, 200, reply.text)
      return reply.json()
    }
  }
  return flow
}

/** The user signs in at the provider: the query of the callback. */
export async function signIn (location: URL): Promise<string> {
  const response = await fetch(location, { redirect: 'manual' })
  await response.arrayBuffer()
  return new URL(response.headers.get('location') ?? '').search.slice(1)
}

export function openBrowser (): Browser {
  const jar = new Map<string, string>()
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const keep = (reply: Reply): Reply => {
    for (const line of reply.cookies) {
      const [, name = '', value = '', attributes = ''] = /^([^=]+)=([^;]*)(.*)$/.exec(line) ?? []
      if (/max-age=0/i.test(attributes)) jar.delete(name)
      else jar.set(name, value)
    }
    return reply
  }
  return {
    jar,
    cookie,
    get: async (instance, path, headers = {}) =>
      keep(
        await instance.ask(path, { headers: { accept: 'text/html', cookie: cookie(), ...headers } })
      ),
    post: async (instance, path, params, headers = {}) =>
      keep(
        await instance.ask(path, {
          method: 'POST',
          headers: {
            accept: 'text/html',
            'content-type': 'application/x-www-form-urlencoded',
            origin: publicUrl,
            'sec-fetch-site': 'same-origin',
            cookie: cookie(),
            ...headers
          },
          body: query(params)
        })
      )
  }
}

export function hidden (page: string): string {
  const [, value] = /name="request" value="([^"]+)"/.exec(page) ?? []
  assert.ok(value, page)
  return value
}

export function redeem (
  clientId: string,
  code: string,
  more: Record<string, string | undefined> = {}
): Record<string, string | undefined> {
  return {
    grant_type: 'authorization_code',
    client_id: clientId,
    code,
    code_verifier: verifier,
    redirect_uri: loopbackUri,
    ...more
  }
}

export function renew (
  clientId: string,
  refreshToken: string,
  more: Record<string, string | undefined> = {}
): Record<string, string | undefined> {
  return { grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken, ...more }
}

export function query (params: Params): string {
  if (typeof params === 'string') return params
  return Object.entries(params).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
  ).join('&')
}

export function claimsOf (token: string): Record<string, any> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/** E(status, error): OAuth JSON and nothing else. */
export function isError (reply: Reply, status: number, error: string, message = ''): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8', message)
  assert.deepEqual([Object.keys(reply.json()), reply.json()['error']], [[
    'error',
    'error_description'
  ], error], message)
  assert.equal(reply.location, null)
}

/** P(status): a page, framed by nobody, and no way on. */
export function isPage (reply: Reply, status: number, error: string, message = ''): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.equal(reply.location, null, message)
  assert.equal(reply.headers.get('access-control-allow-origin'), null, 'G-17')
  assert.equal(reply.headers.get('x-frame-options'), 'DENY', 'A-24')
  assert.match(reply.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, 'A-24')
  assert.ok(reply.text.includes(`<code>${error}</code>`), `${message} ${reply.text}`)
  assert.doesNotMatch(reply.text, /<script/i)
}

/** R(error): to the client, with every parameter once. */
export function isSentBack (
  { base: iss }: Flow,
  reply: Reply,
  status: number,
  error: string,
  { uri = loopbackUri, state = 's t/ä' as string | null, message = '' } = {}
): void {
  assert.equal(reply.status, status, `${message} ${reply.text}`)
  assert.ok(reply.location?.href.startsWith(uri), `${message} ${reply.location?.href}`)
  const params = reply.location?.searchParams as URLSearchParams
  assert.deepEqual([...params.keys()], [
    'error',
    'error_description',
    ...state === null ? [] : ['state'],
    'iss'
  ], message)
  assert.deepEqual([params.get('error'), params.get('state'), params.get('iss')], [
    error,
    state,
    iss
  ], message)
}

/** The invariants: not ours to fail, nothing secret, nothing inner, nothing kept by caches. */
function checked (response: Response, text: string, upstream: Upstream): Reply {
  const { status, headers } = response
  const path = new URL(response.url).pathname
  const location = headers.get('location')
  const all = `${[...headers].join('\n')}\n${text}`
  for (
    const canary of [
      upstreamClient.clientSecret,
      secret,
      ...upstream.canaries,
      'canary-upstream-text'
    ]
  ) {
    for (
      const spelling of [
        canary,
        Buffer.from(canary).toString('base64').replace(/=+$/, ''),
        Buffer.from(canary).toString('hex')
      ]
    ) assert.ok(!all.includes(spelling), `I2 ${path}`)
  }
  assert.doesNotMatch(text, unstable, `I5 ${path}`)
  assert.equal(headers.get('server'), null, 'I5')
  if (path.includes('/oauth/')) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff', `I5 ${path}`)
    if (!path.endsWith('/jwks')) {
      assert.match(headers.get('cache-control') ?? '', /no-store/, `I3 ${path}`)
    }
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
    if (status >= 400 && text.startsWith('{')) {
      assert.ok(errorNames.has(JSON.parse(text).error), text)
    }
    if (status >= 500) assert.ok(headers.get('retry-after') !== null || status === 500, text)
  }
  if (location !== null) assert.ok([302, 303].includes(status), 'never 307')
  return {
    status,
    headers,
    text,
    location: location === null ? null : new URL(location),
    cookies: headers.getSetCookie(),
    json: () => JSON.parse(text) as Record<string, any>
  }
}
