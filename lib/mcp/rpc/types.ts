import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { McpAuth } from '../../types.ts'

/** One HTTP request to the MCP route that has passed every check. */
export interface McpRequest {
  request: FastifyRequest
  /** Those of the request, or of a question of ours that is asked on its behalf. */
  headers: IncomingHttpHeaders
  /** The parsed JSON body, free of `__proto__` members; `undefined` for GET and DELETE. */
  body: unknown
  /** The body as it came. */
  rawBody: string
  /** What tools see as `extra.authInfo`. */
  authInfo: McpAuth | undefined
  /** Aborted when the client disconnects. */
  signal: AbortSignal
}

/** What goes back over HTTP. */
export interface McpResponse {
  status: number
  /** Lower-case names. */
  headers: Record<string, string>
  body: string | Readable | null
}

/** An MCP server as the MCP route sees it. */
export interface McpEndpoint {
  /** HTTP methods it serves; all others are for the route to answer 405. */
  methods: readonly string[]
  /**
   * Connects what has to be connected. Await it before the first call, at `onReady`: it is where
   * start-up errors come from.
   */
  ready(): Promise<void>
  /**
   * The scopes the tools that are called need, beyond those of the route; or the answer to a call
   * that is not to be made.
   */
  admit(call: McpRequest): Promise<readonly string[] | McpResponse>
  /**
   * All scopes its tools are known to need: those of a function are not, and those of a server that
   * is made for each request only once it was asked.
   */
  catalog(): readonly string[]
  /** Rejects only for faults of the server behind it. */
  handle(call: McpRequest): Promise<McpResponse>
  /** Ends every call in progress. */
  close(): Promise<void>
}

/** A server that does not know what its tools ask of callers. */
export type ScopelessEndpoint = Omit<McpEndpoint, 'admit' | 'catalog'>

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

/**
 * A JSON-RPC error that answers an HTTP request as a whole: the id is `null`, since no single
 * message is meant.
 */
export function rpcFailure (
  status: number,
  code: number,
  message: string,
  data?: unknown
): McpResponse {
  return jsonResponse(status, {
    jsonrpc: '2.0',
    error: data === undefined ? { code, message } : { code, message, data },
    id: null
  })
}

/** Headers of an answer in JSON. */
export const jsonHeaders = Object.freeze({ 'content-type': 'application/json' })

/** An answer in JSON. */
export function jsonResponse (status: number, body: unknown): McpResponse {
  return { status, headers: { ...jsonHeaders }, body: JSON.stringify(body) }
}

/** An answer without a body. */
export function emptyResponse (status: number): McpResponse {
  return { status, headers: {}, body: null }
}

/**
 * The answer to a client that is no longer there (nginx's 499): nobody reads it, but the route's
 * promise has to settle.
 */
export const goneStatus = 499
