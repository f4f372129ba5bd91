/** How do fetch-shaped handlers serve the MCP route: the user's, and that of the SDK 2.x? */

import { Readable } from 'node:stream'
import type { InitializeResult } from '@modelcontextprotocol/sdk/types.js'
import type { FetchHandler } from '../../options/mcp.ts'
import type { Log } from '../../types.ts'
import { createSessions } from '../access/sessions.ts'
import { isModern } from '../rpc/era.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  connectionHeaders,
  disconnectedResponse,
  resourceNotFound,
  rpcCode,
  rpcFailure
} from '../rpc/messages.ts'
import { isEventStream, sendInternalRequest } from '../rpc/responses.ts'

/** The URL of every request, from the configuration: no `Host` header is in it. */
type Target = () => { resource: string }

/**
 * Serves through a fetch-shaped handler, which enforces the rules of the protocol. Only sessions
 * are ours: each belongs to one caller, and the modern era has none.
 *
 * @param secrets bind session ids to callers
 */
export function createFetchEndpoint (
  handler: FetchHandler,
  urls: Target,
  secrets: readonly string[]
): ScopelessEndpoint {
  const sessions = createSessions(secrets)
  return {
    methods: ['POST', 'GET', 'DELETE'],
    ready: async () => {},
    async handle (request) {
      const bound = request.headers['mcp-session-id']
      const session = bound === undefined || isModern(request)
        ? undefined
        : sessions.open(String(bound), request.authInfo)
      if (session === null) return rpcFailure(404, rpcCode.noSession, 'Session not found')
      try {
        const response = await callHandler(handler, webRequest(request, urls, session), request)
        const { headers } = response
        const id = headers['mcp-session-id']
        if (id !== undefined) headers['mcp-session-id'] = sessions.bind(id, request.authInfo)
        return response
      } catch (error) {
        if (request.signal.aborted) return disconnectedResponse
        throw error
      }
    },
    close: async () => await handler.close?.()
  }
}

/** Makes a web `Request` of a request, at the URL of the MCP route. */
function webRequest (
  { http: { method }, headers, rawBody, signal }: McpRequest,
  urls: Target,
  session?: string
) {
  const kept = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || connectionHeaders.includes(name)) continue
    kept.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  kept.delete('mcp-session-id')
  if (session !== undefined) kept.set('mcp-session-id', session)
  const body = method === 'POST' ? { body: rawBody } : {}
  return new Request(urls().resource, { method, headers: kept, signal, ...body })
}

/** Serves a request through a handler. Only event streams are streamed. */
async function callHandler (
  handler: FetchHandler,
  web: Request,
  { authInfo, body: parsedBody }: McpRequest
): Promise<McpResponse> {
  const response = await handler.fetch(web, {
    ...(authInfo && { authInfo }),
    ...(parsedBody !== undefined && { parsedBody })
  })
  const headers = Object.fromEntries(
    [...response.headers].filter(([name]) => !connectionHeaders.includes(name))
  )
  const isStream = isEventStream(headers['content-type'])
  if (isStream) headers['x-accel-buffering'] = 'no'
  const body = response.body === null
    ? null
    : isStream
    ? Readable.fromWeb(response.body)
    : await response.text()
  return { status: response.status, headers, body }
}

/**
 * Lets a server of earlier eras serve MCP 2026-07-28, if `@modelcontextprotocol/server` 2.x is
 * installed. That package implements the protocol, and each request becomes an internal request to
 * the server. Without it, modern clients get the list of supported versions.
 */
export function withModernEra (
  legacy: ScopelessEndpoint,
  urls: Target,
  log: Log
): ScopelessEndpoint {
  let modern: ReturnType<typeof modernHandler> | null = null
  return {
    ...legacy,
    async ready () {
      await legacy.ready()
      const sdk = await import('@modelcontextprotocol/server').catch(error => {
        if (error.code === 'ERR_MODULE_NOT_FOUND') return null
        throw error
      })
      if (sdk !== null) modern = modernHandler(sdk, legacy)
      else log.info({}, disabled)
    },
    handle: async request =>
      modern === null || !isModern(request)
        ? await legacy.handle(request)
        : await modern.handle(request, webRequest(request, urls)),
    close: async () => await Promise.all([legacy.close(), modern?.close()])
  }
}

const disabled = 'MCP 2026-07-28 is disabled: install @modelcontextprotocol/server to enable it'

/** The revision of the internal requests to the server. */
const legacyVersion = '2025-11-25'

/** Methods by capability, without subscriptions: earlier eras cannot keep one open. */
const methods = {
  tools: ['tools/list', 'tools/call'],
  prompts: ['prompts/list', 'prompts/get'],
  resources: ['resources/list', 'resources/templates/list', 'resources/read'],
  completions: ['completion/complete']
}

function modernHandler (
  { Server, ProtocolError, createMcpHandler }: typeof import('@modelcontextprotocol/server'),
  legacy: ScopelessEndpoint
) {
  const requests = new WeakMap<Request, McpRequest>()
  /** Faults of the server. The SDK would send their messages to the client. */
  const faults = new WeakMap<McpRequest, { error: unknown }>()

  async function forward (
    request: McpRequest,
    method: string,
    { _meta: meta, ...others }: Record<string, unknown>,
    notify?: (message: never) => Promise<void>
  ): Promise<unknown> {
    // Earlier eras do not have the members in which modern requests describe themselves.
    const _meta = without('io.modelcontextprotocol/', Object(meta))
    const { result, error } = await sendInternalRequest(legacy.handle, request, {
      method,
      params: { ...others, ...(Object.keys(_meta).length > 0 && { _meta }) },
      // Earlier eras do not have the headers that repeat the body.
      headers: { ...without('mcp-', request.headers), 'mcp-protocol-version': legacyVersion },
      // The SDK refuses those of capabilities that its server does not have, such as logging.
      notify: ({ method, params }) => notify?.({ method, params } as never).catch(() => {})
    }).catch((error: unknown) => {
      faults.set(request, { error })
      throw error
    })
    if (result !== undefined) return result
    const { code, message, data } = error ??
      { code: rpcCode.internalError, message: 'The server did not respond' }
    throw new ProtocolError(code === resourceNotFound ? rpcCode.invalidParams : code, message, data)
  }

  const handler = createMcpHandler(async ({ requestInfo }) => {
    const request = requests.get(requestInfo as Request) as McpRequest
    const { serverInfo, capabilities, instructions } = await forward(request, 'initialize', {
      protocolVersion: legacyVersion,
      capabilities: {},
      clientInfo: { name: 'fastify-mcp-oauth', version: '1.0.0' }
    }) as InitializeResult
    const served = Object.entries(methods).filter(([name]) => Object.hasOwn(capabilities, name))
    const server = new Server(serverInfo as never, {
      capabilities: Object.fromEntries(served.map(([name]) => [name, {}])),
      ...(instructions !== undefined && { instructions })
    })
    for (const method of served.flatMap(([, names]) => names)) {
      server.setRequestHandler(
        method as 'tools/list',
        async ({ params = {} }, { mcpReq }) =>
          await forward(request, method, params, mcpReq.notify) as never
      )
    }
    return server
  }, { legacy: 'reject' })

  return {
    close: handler.close,
    async handle (request: McpRequest, web: Request) {
      requests.set(web, request)
      const response = await callHandler(handler, web, request)
      const fault = faults.get(request)
      if (fault !== undefined && !request.signal.aborted) throw fault.error
      return response
    }
  }
}

function without<T extends object> (prefix: string, members: T): T {
  const kept = Object.entries(members).filter(([name]) => !name.startsWith(prefix))
  return Object.fromEntries(kept) as T
}
