import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { loggingApp } from './app.ts'
import { hidden, openBrowser, signIn, type Browser } from './browser.ts'
import { challenge, loopbackUri, providerClient, publicUrl, secret } from './credentials.ts'
import { whoami, whoamiCall } from './guarded.ts'
import { checkReply, type Reply } from './replies.ts'
import { form, json, query, redeem, sendRequest, type Params } from './requests.ts'
import { startStubProvider, type StubProvider } from './stub-provider.ts'

export { hidden, openBrowser, signIn, type Browser } from './browser.ts'
export * from './credentials.ts'
export { providerClient } from './credentials.ts'
export { isError, isPage, isErrorRedirect, type Reply } from './replies.ts'
export { claimsOf, query, redeem, renew, type Params } from './requests.ts'

/** One process of the server. */
export interface Instance {
  app: FastifyInstance
  origin: string
  /** Sends a request to a path below the prefix. Redirects are not followed. */
  send(path: string, init?: RequestInit): Promise<Reply>
  register(metadata?: object): Promise<string>
  authorize(params: Params, headers?: Record<string, string>): Promise<Reply>
  token(params: Params, headers?: Record<string, string>): Promise<Reply>
  revoke(params: Params, headers?: Record<string, string>): Promise<Reply>
  /** Calls the tool that returns its caller. */
  call(token: string): Promise<Reply>
}

export interface Flow extends Instance {
  provider: StubProvider
  instances: Instance[]
  prefix: string
  base: string
  resource: string
  logs: string[]
  /** Parameters of a valid authorization request. */
  params(
    clientId: string,
    more?: Record<string, string | undefined>
  ): Record<string, string | undefined>
  /** Logs in. Resolves to the authorization code. */
  login(clientId: string, more?: LoginSetup): Promise<string>
  /** Logs in and redeems the code. Resolves to the token response. */
  tokens(clientId: string, more?: LoginSetup): Promise<Record<string, any>>
  /** Opens the consent page. Resolves to the sealed request in its form. */
  form(browser: Browser, params: Params, instance?: Instance): Promise<string>
  /** Consents and logs in at the provider. Resolves to the query of the callback. */
  approve(browser: Browser, params: Params, instance?: Instance): Promise<string>
  addInstance(options?: Partial<McpOAuthOptions>): Promise<Instance>
}

export interface LoginSetup {
  params?: Record<string, string | undefined>
  browser?: Browser
  /** The instances for the consent page, its form, the callback and the token request. */
  at?: Instance[]
}

export interface FlowSetup {
  options?: Partial<McpOAuthOptions>
  instances?: number
  app?: () => Promise<FastifyInstance>
  /** Adds routes of the host, after the plugin. */
  routes?: (app: FastifyInstance) => unknown
  /** Starts a server with these options in another process. Resolves to its origin. */
  launch?: (options: McpOAuthOptions) => Promise<string>
}

/**
 * The broker, once or several times, in front of a stub provider. It is published as
 * `https://mcp.example.com` and reached on loopback.
 */
export async function startFlow (
  t: TestContext,
  { options = {}, instances: count = 1, app: create, routes, launch }: FlowSetup = {}
): Promise<Flow> {
  const provider = await startStubProvider(providerClient)
  const logs: string[] = []
  const apps: FastifyInstance[] = []
  t.after(async () => {
    await Promise.all(apps.map(app => app.close()))
    await provider.close()
  })
  const prefix = options.prefix ?? ''
  const base = publicUrl + prefix
  const resource = `${base}/mcp`

  async function addInstance (more: Partial<McpOAuthOptions> = {}): Promise<Instance> {
    const app = await create?.() ?? loggingApp(logs)
    apps.push(app)
    const all = {
      issuer: provider.issuer,
      ...providerClient,
      secret,
      setupProxies: true,
      publicUrl,
      requiredScopes: ['mcp:read'],
      scopes: ['mcp:write'],
      mcp: { server: whoami() },
      ...options,
      ...more
    } as McpOAuthOptions
    const path = more.prefix ?? prefix
    if (launch) return createInstance(app, await launch(all), path, provider)
    await app.register(mcpOAuth, all)
    await routes?.(app)
    app.get('/host', async () => ({ host: true }))
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    return createInstance(app, `http://127.0.0.1:${port}`, path, provider)
  }

  const instances: Instance[] = []
  for (let index = 0; index < count; index++) instances.push(await addInstance())
  const [first] = instances as [Instance]

  const flow: Flow = {
    ...first,
    provider,
    instances,
    prefix,
    base,
    resource,
    logs,
    addInstance,
    params: (clientId, more = {}) => ({
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
      return await signIn(await consent(browser, request, instance))
    },
    async login (
      clientId,
      { params = {}, browser = openBrowser(), at = [first, first, first] } = {}
    ) {
      const [pageInstance = first, formInstance = pageInstance, callbackInstance = formInstance] =
        at
      const request = await flow.form(browser, flow.params(clientId, params), pageInstance)
      const callbackQuery = await signIn(await consent(browser, request, formInstance))
      const callback = await browser.get(callbackInstance, `/oauth/callback?${callbackQuery}`)
      assert.equal(callback.status, 302, callback.text)
      const code = callback.location?.searchParams.get('code')
      assert.ok(code, callback.location?.href)
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

async function consent (browser: Browser, request: string, instance: Instance): Promise<URL> {
  const reply = await browser.post(instance, '/oauth/consent', { request, action: 'approve' })
  assert.equal(reply.status, 303, reply.text)
  return reply.location as URL
}

function createInstance (
  app: FastifyInstance,
  origin: string,
  prefix: string,
  { canaries }: StubProvider
): Instance {
  const send = async (path: string, init?: RequestInit): Promise<Reply> =>
    await checkReply(await sendRequest(origin + prefix + path, init), canaries)
  return {
    app,
    origin,
    send,
    async register (metadata = {}) {
      const reply = await send(
        '/oauth/register',
        json({
          redirect_uris: [loopbackUri],
          client_name: 'Test client',
          grant_types: ['authorization_code', 'refresh_token'],
          ...metadata
        })
      )
      assert.equal(reply.status, 201, reply.text)
      return reply.json()['client_id'] as string
    },
    authorize: (params, headers = {}) =>
      send(`/oauth/authorize?${query(params)}`, { headers: { accept: 'text/html', ...headers } }),
    token: (params, headers) => send('/oauth/token', form(params, headers)),
    revoke: (params, headers) => send('/oauth/revoke', form(params, headers)),
    call: token =>
      send(
        '/mcp',
        json(whoamiCall, {
          accept: 'application/json, text/event-stream',
          authorization: `Bearer ${token}`
        })
      )
  }
}
