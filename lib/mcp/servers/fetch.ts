/** How does a fetch-shaped handler serve the MCP route? */

import { Readable } from 'node:stream'
import type { FetchHandler } from '../../options/mcp.ts'
import { createSessions } from '../access/sessions.ts'
import { isModern } from '../rpc/era.ts'
import {
  type McpRequest,
  type McpResponse,
  type ScopelessEndpoint,
  connectionHeaders,
  disconnectedResponse,
  rpcCode,
  rpcFailure
} from '../rpc/messages.ts'
import { isEventStream } from '../rpc/responses.ts'

/** The URL of every request, from the configuration: no `Host` header is in it. */
export type Target = () => { resource: string }

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
        if (request.cancellation.isCancelled) return disconnectedResponse
        throw error
      }
    },
    close: async () => await handler.close?.()
  }
}

/** Makes a web `Request` of a request, at the URL of the MCP route. */
export function webRequest (
  { http: { method }, headers, rawBody, cancellation: { signal } }: McpRequest,
  urls: Target,
  session?: string
): Request {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || connectionHeaders.has(name)) continue
    kept[name] = Array.isArray(value) ? value.join(', ') : value
  }
  if (session === undefined) delete kept['mcp-session-id']
  else kept['mcp-session-id'] = session
  const body = method === 'POST' ? { body: rawBody } : {}
  return new Request(urls().resource, { method, headers: kept, signal, ...body })
}

/** Serves a request through a handler. Only event streams are streamed. */
export async function callHandler (
  handler: FetchHandler,
  web: Request,
  { authInfo, body: parsedBody }: McpRequest
): Promise<McpResponse> {
  const response = await handler.fetch(web, {
    ...(authInfo && { authInfo }),
    ...(parsedBody !== undefined && { parsedBody })
  })
  const headers: McpResponse['headers'] = {}
  for (const [name, value] of response.headers) {
    if (!connectionHeaders.has(name)) headers[name] = value
  }
  const isStream = isEventStream(headers['content-type'])
  if (isStream) headers['x-accel-buffering'] = 'no'
  const body = response.body === null
    ? null
    : isStream
    ? Readable.fromWeb(response.body)
    : await response.text()
  return { status: response.status, headers, body }
}
