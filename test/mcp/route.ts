import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import type { McpAuth } from '../../lib/types.ts'
import type { McpEndpoint } from '../../lib/mcp/access/tool-access.ts'
import { createEndpoint } from '../../lib/mcp/endpoint.ts'
import type { ScopelessEndpoint } from '../../lib/mcp/rpc/messages.ts'
import type { ToolCollection } from '../../lib/mcp/tools/collect.ts'
import type { Config } from '../../lib/options/config.ts'
import { Cancellation } from '../../lib/util/cancellation.ts'

export type EndpointOptions = Partial<Config['mcp']>

/** The dependencies that a registration passes to an endpoint. */
export interface EndpointDeps {
  resource?: () => string
  tools?: () => ToolCollection
  holds?: (authInfo: McpAuth | undefined, scopes: readonly string[]) => boolean
}

const noOptions = {
  path: '/mcp',
  bodyLimit: 1_000_000,
  tools: undefined,
  name: 'test',
  version: '1.0.0',
  instructions: undefined,
  server: undefined,
  handler: undefined,
  toolScopes: undefined,
  authorizeTool: undefined,
  card: undefined
}

/** Creates an endpoint whose callers have all scopes. */
export function buildEndpoint (
  options: EndpointOptions,
  { resource = () => 'http://localhost/mcp', tools, holds = () => true }: EndpointDeps = {}
): McpEndpoint {
  const config = {
    mcp: { ...noOptions, ...options },
    secrets: [],
    trustedIssuers: [],
    clients: []
  }
  const urls = () => ({ resource: resource() })
  const endpoint = createEndpoint(config, urls, holds, Fastify().log, tools)
  assert.ok(endpoint)
  return endpoint
}

/**
 * Serves an endpoint at /mcp. It accepts any bearer token: other files test the guard.
 */
export async function serve (
  t: TestContext,
  app: FastifyInstance,
  endpoint: ScopelessEndpoint
): Promise<string> {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string' },
    (_request, body, done) => done(null, body)
  )
  app.addHook('onReady', () => endpoint.ready())
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    config: { mcpOAuth: { public: false } },
    handler: async (request, reply) => {
      if (!endpoint.methods.includes(request.method)) {
        return reply.code(405).header('allow', endpoint.methods.join(', ')).send()
      }
      const rawBody = typeof request.body === 'string' ? request.body : ''
      const cancellation = new Cancellation()
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) cancellation.cancel()
      })
      const body = rawBody === '' ? undefined : JSON.parse(rawBody)
      const { status, headers, body: content } = await endpoint.handle({
        http: request,
        headers: request.headers,
        body,
        rawBody,
        authInfo: authOf(request.headers.authorization),
        cancellation
      })
      return reply.code(status).headers(headers).send(content ?? undefined)
    }
  })
  t.after(async () => {
    await endpoint.close()
    await app.close()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`
}

function authOf (header: string | undefined): McpAuth | undefined {
  const token = header?.replace(/^Bearer /, '')
  return token === undefined ? undefined : { token, clientId: 'client', scopes: [], subject: token }
}

/** POSTs one body with the headers of a client. */
export function post (
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers
    },
    body: JSON.stringify(body),
    ...(signal && { signal })
  })
}

export function toolCall (
  id: string | number,
  name: string,
  args: object = {},
  params: object = {}
): object {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, ...params } }
}
