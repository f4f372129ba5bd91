/** How does a fetch-shaped handler serve the MCP route? */

import { Readable } from 'node:stream'
import type { FetchHandler } from '../../options/mcp.ts'
import { isEventStream } from '../rpc/responses.ts'
import {
  type McpResponse,
  type McpRequest,
  type ScopelessEndpoint,
  connectionHeaders,
  disconnectedResponse,
  rpcCode,
  rpcFailure
} from '../rpc/types.ts'
import { isModern } from '../rpc/era.ts'
import type { Sessions } from '../access/sessions.ts'

/**
 * Serves through a fetch-shaped handler, which enforces the rules of the protocol. Only sessions
 * are ours: each belongs to one caller, and the modern era has none.
 *
 * @param resource the configured URL, and the URL of every request: no `Host` header is in it
 * @param sessions binds session ids to callers
 */
export function createFetchEndpoint (
  handler: FetchHandler,
  resource: () => string,
  sessions: Sessions
): ScopelessEndpoint {
  return {
    methods: ['POST', 'GET', 'DELETE'],
    async ready () {},
    async handle (request) {
      const bound = request.headers['mcp-session-id']
      const session = bound === undefined || isModern(request)
        ? undefined
        : sessions.open(String(bound), request.authInfo)
      if (session === null) return rpcFailure(404, rpcCode.noSession, 'Session not found')
      try {
        const web = webRequest(request, resource(), session)
        const response = await callHandler(handler, web, request)
        const { headers } = response
        const id = headers['mcp-session-id']
        if (id !== undefined) headers['mcp-session-id'] = sessions.bind(id, request.authInfo)
        return response
      } catch (error) {
        if (request.signal.aborted) return disconnectedResponse
        throw error
      }
    },
    async close () {
      await handler.close?.()
    }
  }
}

/** Makes a web `Request` of a request, at the URL of the MCP route. */
export function webRequest (
  { http: { method }, headers, rawBody, signal }: McpRequest,
  resource: string,
  session?: string
): Request {
  const kept = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || connectionHeaders.includes(name)) continue
    kept.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  kept.delete('mcp-session-id')
  if (session !== undefined) kept.set('mcp-session-id', session)
  const init = { method, headers: kept, signal }
  return new Request(resource, method === 'POST' ? { ...init, body: rawBody } : init)
}

/** Serves a request through a handler. Only event streams are streamed. */
export async function callHandler (
  handler: FetchHandler,
  web: Request,
  { authInfo, body: parsedBody }: McpRequest
): Promise<McpResponse> {
  const response = await handler.fetch(web, {
    ...(authInfo !== undefined && { authInfo }),
    ...(parsedBody !== undefined && { parsedBody })
  })
  const headers: Record<string, string> = {}
  response.headers.forEach((value, name) => {
    if (!connectionHeaders.includes(name)) headers[name] = value
  })
  const isStream = isEventStream(headers['content-type'])
  if (isStream) headers['x-accel-buffering'] = 'no'
  const body = response.body === null
    ? null
    : isStream
    ? Readable.fromWeb(response.body)
    : await response.text()
  return { status: response.status, headers, body }
}
