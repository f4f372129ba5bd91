/** Which requests, responses and servers does the MCP route work with? */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { McpAuth } from '../../types.ts'
import { McpOAuthError } from '../../errors.ts'

/** One HTTP request to the MCP route that has passed every check. */
export interface McpRequest {
  /** The Fastify request behind it. */
  http: FastifyRequest
  /** The headers of the HTTP request, or of an internal request on its behalf. */
  headers: IncomingHttpHeaders
  /** The parsed JSON body, free of `__proto__` members; `undefined` for GET and DELETE. */
  body: unknown
  /** The text of the body. */
  rawBody: string
  /** The caller, as tools see it in `extra.authInfo`. */
  authInfo: McpAuth | undefined
  /** Aborted when the client disconnects. */
  signal: AbortSignal
}

/** The HTTP response to a request. */
export interface McpResponse {
  status: number
  /** Lower-case names. */
  headers: Record<string, string>
  body: string | Readable | null
}

/** An MCP server that does not know which scopes its tools need. */
export interface ScopelessEndpoint {
  /** HTTP methods it serves. The route rejects all others with 405. */
  methods: readonly string[]
  /** Connects to the server. Await it at `onReady`, before the first request. */
  ready(): Promise<void>
  /** Serves a request. Rejects only for faults of the server behind the endpoint. */
  handle(request: McpRequest): Promise<McpResponse>
  /** Ends every request in progress. */
  close(): Promise<void>
}

/** An MCP server as the MCP route uses it. */
export interface McpEndpoint extends ScopelessEndpoint {
  /**
   * Finds the scopes that a request needs beyond those of the route.
   *
   * @returns the scopes, or the response to a request that must not reach the server
   */
  requiredScopes(request: McpRequest): Promise<readonly string[] | McpResponse>
  /** The scopes of its tools, as far as they are known by now. */
  knownScopes(): readonly string[]
}

/** Codes of JSON-RPC 2.0 §5.1 and of MCP that this package uses itself. */
export const rpcCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  unavailable: -32000,
  noSession: -32001,
  headerMismatch: -32020,
  unsupportedVersion: -32022
} as const

/** Makes a JSON-RPC error response (JSON-RPC 2.0 §5.1). */
export function rpcError (id: unknown, code: number, message: string, data?: unknown): object {
  return { jsonrpc: '2.0', id, error: { code, message, ...(data !== undefined && { data }) } }
}

/** Makes a response with a JSON-RPC error. Its id is `null` if the HTTP request itself failed. */
export function rpcFailure (
  status: number,
  code: number,
  message: string,
  id: unknown = null,
  data?: unknown
): McpResponse {
  return jsonResponse(status, JSON.stringify(rpcError(id, code, message, data)))
}

export function jsonResponse (status: number, body: string): McpResponse {
  return { status, headers: { 'content-type': 'application/json' }, body }
}

/** The response to messages without a reply. */
export const acceptedResponse: McpResponse = { status: 202, headers: {}, body: null }

/**
 * The response to a client that has disconnected (nginx's 499). It is never sent, but settles the
 * promise of the route.
 */
export const disconnectedResponse: McpResponse = { status: 499, headers: {}, body: null }

/** The response to a request that arrives, or runs, while the server closes. */
export const closingResponse = rpcFailure(503, rpcCode.unavailable, 'The server is closing')

/** Makes the error for a fault of the MCP server: 500. The reason is logged, and never sent. */
export function serverFault (reason: string): McpOAuthError {
  return new McpOAuthError('internal', { cause: new Error(reason) })
}

/** Headers that belong to one HTTP connection, or follow from the URL and the body of a request. */
export const connectionHeaders: readonly string[] = [
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
]
