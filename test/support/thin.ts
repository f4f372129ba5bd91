import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { loggingApp } from './app.ts'
import { findCanary } from './canaries.ts'
import { challenge, loopbackUri as redirectUri, thinClient, verifier } from './credentials.ts'
import { startIssuer, type Issuer } from './issuer.ts'
import { checkReply, type Reply } from './replies.ts'
import { form, json, query, sendRequest, type Received } from './requests.ts'

/** A request that the provider's token endpoint received. */
export interface ProviderRequest {
  method: string
  url: string
  headers: IncomingMessage['headers']
  form: URLSearchParams
}

/** The provider's token endpoint, which records requests and responds as set. */
export interface TokenEndpoint {
  url: string
  requests: ProviderRequest[]
  respond: (response: ServerResponse, providerRequest: ProviderRequest) => void
}

export interface ThinServer {
  app: FastifyInstance
  /** The published origin: `http://localhost:<port>`. */
  origin: string
  /** `origin` with the prefix. */
  base: string
  port: number
  issuer: Issuer
  endpoint: TokenEndpoint
  /** Every log line so far, at level trace. */
  logs: string[]
  send(path: string, init?: RequestInit): Promise<Reply>
  register(metadata?: object): Promise<string>
  authorize(params: Record<string, string | undefined> | string, accept?: string): Promise<Reply>
  token(
    params: Record<string, string | undefined> | string,
    headers?: Record<string, string>
  ): Promise<Reply>
}

export const { clientId, clientSecret } = thinClient
export { challenge, loopbackUri as redirectUri, verifier } from './credentials.ts'
export type { Reply } from './replies.ts'
export { json, query, raw } from './requests.ts'

/** Prefixes: none, the option `prefix`, and that of the scope around the plugin. */
export const mounts = { root: '', prefix: '/api', scope: '/outer' } as const

export interface ThinSetup {
  mount?: keyof typeof mounts
  options?: Partial<McpOAuthOptions>
  app?: FastifyInstance
  /** Runs before the plugin is registered. */
  before?: (app: FastifyInstance) => unknown
  /** Changes the provider before the plugin is registered. */
  prepare?: (issuer: Issuer) => unknown
  trustProxy?: boolean
  /** Whether the plugin has a client secret. Default: `true`. */
  secret?: boolean
}

/** The thin proxies in front of a stub provider, over real sockets. */
export async function startThin (t: TestContext, setup: ThinSetup = {}): Promise<ThinServer> {
  const { mount = 'root', options = {}, before, prepare, trustProxy = false, secret = true } = setup
  const issuer = await startIssuer()
  const endpoint = await startTokenEndpoint(t)
  issuer.metadata['token_endpoint'] = endpoint.url
  await prepare?.(issuer)
  const logs: string[] = []
  const app = setup.app ?? loggingApp(logs, { trustProxy })
  t.after(async () => {
    await app.close()
    await issuer.close()
    assert.equal(findCanary(logs.join('')), undefined, 'the log contains a secret')
  })
  await before?.(app)
  const all: McpOAuthOptions = {
    issuer: issuer.issuer,
    clientId,
    ...(secret && { clientSecret }),
    setupProxies: true,
    version: '2025-03-26',
    mcp: { tools: true },
    ...options
  }
  if (mount === 'scope') {
    await app.register(async (scope) => {
      await scope.register(mcpOAuth, all)
    }, { prefix: mounts.scope })
  } else await app.register(mcpOAuth, { ...all, prefix: mounts[mount] })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const origin = `http://localhost:${port}`
  const base = origin + mounts[mount]

  async function send (path: string, init?: RequestInit): Promise<Reply> {
    return await checkThinReply(await sendRequest(`http://127.0.0.1:${port}${path}`, init), path)
  }

  return {
    app,
    origin,
    base,
    port,
    issuer,
    endpoint,
    logs,
    send,
    async register (metadata = {}) {
      const reply = await send(
        `${mounts[mount]}/oauth/register`,
        json({ redirect_uris: [redirectUri], ...metadata })
      )
      assert.equal(reply.status, 201, reply.text)
      return String(reply.json()['client_id'])
    },
    authorize: (params, accept = 'text/html') =>
      send(`${mounts[mount]}/oauth/authorize?${query(params)}`, { headers: { accept } }),
    token: (params, headers) => send(`${mounts[mount]}/oauth/token`, form(params, headers))
  }
}

/** A valid authorization request. */
export function authorizationParams (id: string): Record<string, string> {
  return {
    response_type: 'code',
    client_id: id,
    redirect_uri: redirectUri,
    state: 's t/ä',
    code_challenge: challenge,
    code_challenge_method: 'S256'
  }
}

/** A valid token request. */
export function codeRequest (id: string): Record<string, string> {
  return {
    grant_type: 'authorization_code',
    client_id: id,
    code: 'the-code',
    redirect_uri: redirectUri,
    code_verifier: verifier
  }
}

export const providerTokens = {
  access_token: 'at-1',
  token_type: 'Bearer',
  expires_in: 60,
  refresh_token: 'rt-1',
  scope: 'openid'
}

/** Responds with JSON. */
export function respondWith (
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
): TokenEndpoint['respond'] {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(
      typeof body === 'string' ? body : JSON.stringify(body)
    )
  }
}

async function startTokenEndpoint (t: TestContext): Promise<TokenEndpoint> {
  const server = createServer(async (request, response) => {
    const providerRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      form: new URLSearchParams(await text(request))
    }
    endpoint.requests.push(providerRequest)
    endpoint.respond(response, providerRequest)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    requests: [],
    respond: respondWith(200, providerTokens)
  }
  return endpoint
}

/** Asserts the rules for every response, and those that the thin proxies add. */
async function checkThinReply (response: Received, path: string): Promise<Reply> {
  const { status, headers } = response
  const reply = await checkReply(response)
  assert.ok(!reply.text.includes('canary'), `${path} ${reply.text}`)
  assert.ok(status < 500 || [502, 503, 504].includes(status), `${path} ${status} ${reply.text}`)
  if (status >= 500) assert.match(headers.get('retry-after') ?? '', /^\d+$/)
  if (status !== 204) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff', `${path} ${status}`)
  }
  const isDocument = path.includes('/.well-known/') && [200, 304].includes(status)
  if (status !== 204 && !isDocument) {
    assert.equal(headers.get('cache-control'), 'no-store', `${path} ${status}`)
  }
  return reply
}
