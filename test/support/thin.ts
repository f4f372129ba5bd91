import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { mcpOAuth, type McpOAuthOptions } from '../../lib/index.ts'
import { startIssuer, type Issuer } from './issuer.ts'

/** A request as it reached the provider's token endpoint. */
export interface Arrival {
  method: string
  url: string
  headers: IncomingMessage['headers']
  form: URLSearchParams
}

/** The provider's token endpoint: writes down what arrives and answers as it is told. */
export interface TokenEndpoint {
  url: string
  arrivals: Arrival[]
  answer: (response: ServerResponse, arrival: Arrival) => void
}

/** What came back from our server, checked for what holds of every answer. */
export interface Reply {
  status: number
  headers: Headers
  text: string
  json: () => Record<string, unknown>
  location: URL | null
}

export interface ThinServer {
  app: FastifyInstance
  /** As published: `http://localhost:<port>`. */
  origin: string
  /** `origin` and the prefix. */
  base: string
  port: number
  issuer: Issuer
  endpoint: TokenEndpoint
  /** Every log line so far, at level trace. */
  logs: string[]
  /** Asks our server. Redirects are answers. */
  ask(path: string, init?: RequestInit): Promise<Reply>
  register(metadata?: object): Promise<string>
  authorize(params: Record<string, string | undefined> | string, accept?: string): Promise<Reply>
  token(
    params: Record<string, string | undefined> | string,
    headers?: Record<string, string>
  ): Promise<Reply>
}

export const clientId = 'upstream-client'
export const clientSecret = `upstream:${randomBytes(24).toString('base64url')}/+ä`
export const redirectUri = 'http://127.0.0.1:4711/callback'
export const verifier = randomBytes(32).toString('base64url')
export const challenge = createHash('sha256').update(verifier).digest('base64url')

/** Where the plugin can be: at the root, below its own prefix, in a scope with one. */
export const mounts = { root: '', prefix: '/api', scope: '/outer' } as const

export interface ThinSetup {
  mount?: keyof typeof mounts
  options?: Partial<McpOAuthOptions>
  app?: FastifyInstance
  /** Runs before the plugin is registered. */
  before?: (app: FastifyInstance) => unknown
  /** Changes the provider before our server knows of it. */
  prepare?: (issuer: Issuer) => unknown
  trustProxy?: boolean
  /** Whether we have a secret at the provider. Defaults to yes. */
  secret?: boolean
}

/**
 * The thin proxies in front of a stand-in, over real sockets. What must hold of every answer is
 * checked in `ask`.
 */
export async function startThin (t: TestContext, setup: ThinSetup = {}): Promise<ThinServer> {
  const { mount = 'root', options = {}, before, prepare, trustProxy = false, secret = true } = setup
  const issuer = await startIssuer()
  const endpoint = await startTokenEndpoint(t)
  issuer.metadata['token_endpoint'] = endpoint.url
  await prepare?.(issuer)
  const logs: string[] = []
  const app = setup.app ??
    Fastify({
      trustProxy,
      logger: {
        level: 'trace',
        stream: {
          write: (line: string) => {
            logs.push(line)
          }
        }
      }
    })
  t.after(async () => {
    await app.close()
    await issuer.close()
    refuseCanaries(logs.join(''), 'the log')
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

  async function ask (path: string, init: RequestInit = {}): Promise<Reply> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init })
    const body = await response.text()
    hygiene(path, response, body)
    const location = response.headers.get('location')
    return {
      status: response.status,
      headers: response.headers,
      text: body,
      json: () => JSON.parse(body),
      location: location === null ? null : new URL(location)
    }
  }

  return {
    app,
    origin,
    base,
    port,
    issuer,
    endpoint,
    logs,
    ask,
    async register (metadata = {}) {
      const reply = await ask(
        `${mounts[mount]}/oauth/register`,
        json({ redirect_uris: [redirectUri], ...metadata })
      )
      assert.equal(reply.status, 201, reply.text)
      return String(reply.json()['client_id'])
    },
    authorize: (params, accept = 'text/html') =>
      ask(`${mounts[mount]}/oauth/authorize?${query(params)}`, { headers: { accept } }),
    token: (params, headers = {}) =>
      ask(`${mounts[mount]}/oauth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: query(params)
      })
  }
}

/** A POST with a JSON body. */
export function json (body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  }
}

/** A query or form; members that are `undefined` are left out. */
export function query (params: Record<string, string | undefined> | string): string {
  if (typeof params === 'string') return params
  return new URLSearchParams(
    Object.entries(params).filter((pair): pair is [string, string] => pair[1] !== undefined)
  ).toString()
}

/** An authorization request that is in order. */
export function wellFormed (id: string): Record<string, string> {
  return {
    response_type: 'code',
    client_id: id,
    redirect_uri: redirectUri,
    state: 's t/ä',
    code_challenge: challenge,
    code_challenge_method: 'S256'
  }
}

/** A token request that is in order. */
export function codeRequest (id: string): Record<string, string> {
  return {
    grant_type: 'authorization_code',
    client_id: id,
    code: 'the-code',
    redirect_uri: redirectUri,
    code_verifier: verifier
  }
}

export const goodTokens = {
  access_token: 'at-1',
  token_type: 'Bearer',
  expires_in: 60,
  refresh_token: 'rt-1',
  scope: 'openid'
}

/** Answers with JSON. */
export function answering (
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
): TokenEndpoint['answer'] {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(
      typeof body === 'string' ? body : JSON.stringify(body)
    )
  }
}

async function startTokenEndpoint (t: TestContext): Promise<TokenEndpoint> {
  const server = createServer(async (request, response) => {
    const arrival = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      form: new URLSearchParams(await text(request))
    }
    endpoint.arrivals.push(arrival)
    endpoint.answer(response, arrival)
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
    arrivals: [],
    answer: answering(200, goodTokens)
  }
  return endpoint
}

/**
 * Sends bytes as they are and gives what comes back until the connection ends: `fetch` refuses much
 * of what attackers send.
 */
export async function raw (port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  // No end of ours: to Node's server half a connection is none.
  socket.write(request)
  return await text(socket)
}

/** Holds of every answer, whatever was asked. */
function hygiene (path: string, { status, headers }: Response, body: string): void {
  assert.ok(status < 500 || [502, 503, 504].includes(status), `${path} answered ${status} ${body}`)
  if (status >= 500) assert.match(headers.get('retry-after') ?? '', /^\d+$/)
  if (status !== 204) {
    assert.equal(headers.get('x-content-type-options'), 'nosniff', `${path} ${status}`)
  }
  if (status !== 204 && !(status === 200 && path.includes('/.well-known/'))) {
    assert.equal(headers.get('cache-control'), 'no-store', `${path} ${status}`)
  }
  assert.doesNotMatch(body, /FST_|ERR_|node_modules|\n\s+at |\.ts\b|undici|ECONN/)
  refuseCanaries(body + JSON.stringify([...headers]), path)
}

const canaries = [
  clientSecret,
  encodeURIComponent(clientSecret),
  new URLSearchParams({ x: clientSecret }).toString().slice(2),
  ...[clientSecret, `${clientId}:${new URLSearchParams({ x: clientSecret }).toString().slice(2)}`]
    .flatMap((value) =>
      (['base64', 'base64url', 'hex'] as const).map((as) => Buffer.from(value).toString(as))
    )
]

/** The client secret is nowhere, in no spelling; nor is what a hostile provider says. */
export function refuseCanaries (text: string, where: string): void {
  for (const canary of [...canaries, 'canary']) {
    assert.ok(!text.includes(canary), `${where} has what must not leave: ${text.slice(0, 400)}`)
  }
}
