import { Readable } from 'node:stream'
import type { FetchHandler } from '../../options/schema.ts'
import { isEventStream } from '../rpc/responses.ts'
import {
  type McpResponse,
  type McpRequest,
  type ScopelessEndpoint,
  emptyResponse,
  goneStatus,
  rpcCode,
  rpcFailure
} from '../rpc/types.ts'
import { isModern } from '../rpc/era.ts'
import { type Sessions, createSessions } from '../access/sessions.ts'

/**
 * Headers that speak of the connection, or that the URL and the body of the new request say better.
 */
const connectionHeaders = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'te',
  'trailer',
  'upgrade',
  'expect'
])

/**
 * Serves through a fetch-shaped handler. It sees `resource`, the configured URL, as the URL of
 * every request: never one made from a
 * `Host` header. Protocol rules are the handler's, but for one: the session of one caller does not
 * exist for another, and in the modern era for no one.
 */
export function createFetchEndpoint (
  handler: FetchHandler,
  resource: () => string,
  sessions: Sessions = createSessions([])
): ScopelessEndpoint {
  return {
    methods: ['POST', 'GET', 'DELETE'],

    async ready () {},

    async handle (call) {
      const { authInfo, body, signal } = call
      const session = sessionOf(call, sessions)
      if (session === null) return rpcFailure(404, rpcCode.noSession, 'Session not found')
      try {
        const response = await handler.fetch(webRequest(call, resource(), session), {
          ...(authInfo !== undefined && { authInfo }),
          ...(body !== undefined && { parsedBody: body })
        })
        const answer = await webResponse(response)
        const given = answer.headers['mcp-session-id']
        return given === undefined
          ? answer
          : {
            ...answer,
            headers: { ...answer.headers, 'mcp-session-id': sessions.bind(given, authInfo) }
          }
      } catch (error) {
        if (signal.aborted) return emptyResponse(goneStatus)
        throw error
      }
    },

    async close () {
      await handler.close?.()
    }
  }
}

/**
 * The server's own id of the session a request belongs to; `undefined` without one, `null` if it is
 * not the caller's.
 */
function sessionOf (call: McpRequest, sessions: Sessions): string | null | undefined {
  const bound = call.headers['mcp-session-id']
  return bound === undefined || isModern(call)
    ? undefined
    : sessions.open(String(bound), call.authInfo)
}

/**
 * A call as a web `Request`, at the URL of the MCP route, and in a session of the server if there
 * is one.
 */
export function webRequest (
  { request, headers: sent, rawBody, signal }: McpRequest,
  resource: string,
  session?: string
): Request {
  const headers = new Headers()
  for (const [name, value] of Object.entries(sent)) {
    if (value === undefined || name.startsWith(':') || connectionHeaders.has(name)) continue
    headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  headers.delete('mcp-session-id')
  if (session !== undefined) headers.set('mcp-session-id', session)
  const init = { method: request.method, headers, signal }
  return new Request(resource, request.method === 'POST' ? { ...init, body: rawBody } : init)
}

/** A web `Response` as an answer of the MCP route. */
export async function webResponse (response: Response): Promise<McpResponse> {
  return {
    status: response.status,
    headers: answerHeaders(response),
    body: await answerBody(response)
  }
}

function answerHeaders (response: Response): Record<string, string> {
  const headers: Record<string, string> = {}
  response.headers.forEach((value, name) => {
    if (!connectionHeaders.has(name)) headers[name] = value
  })
  if (isStream(response)) headers['x-accel-buffering'] = 'no'
  return headers
}

/** Only event streams have to be streamed; anything else is quicker as one string. */
async function answerBody (response: Response) {
  if (response.body === null) return null
  return isStream(response) ? Readable.fromWeb(response.body) : await response.text()
}

function isStream (response: Response): boolean {
  return isEventStream(response.headers.get('content-type'))
}
