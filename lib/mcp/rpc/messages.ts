/** What do requests, responses and servers exchange? */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { McpAuth } from '../../types.ts'
import type { Cancellation } from '../../util/cancellation.ts'

/** One HTTP request to the MCP route that has passed every check. */
export interface McpRequest {
  /** The Fastify request behind it. */
  http: FastifyRequest
  /** The headers of the HTTP request, or of an internal request on its behalf. */
  headers: IncomingHttpHeaders
  /** Whether `headers` is a copy that the server may change. Default: it is that of `http`. */
  hasOwnHeaders?: boolean
  /** The parsed JSON body, free of `__proto__` members; `undefined` for GET and DELETE. */
  body: unknown
  /** The text of the body. */
  rawBody: string
  /** The caller, as tools see it in `extra.authInfo`. */
  authInfo: McpAuth | undefined
  /** The messages of the body, once it was parsed. */
  parsed?: ParsedBody | undefined
  /** Cancelled when the client disconnects. */
  cancellation: Cancellation
  /** Changes replies and notifications before they are written. Null drops one. */
  mapMessage?: ((message: RpcMessage) => RpcMessage | null) | undefined
  /** Runs work for the request of a batch that has an id. Default: at once. */
  within?: (<T>(id: unknown, work: () => T) => T) | undefined
  /**
   * For a server that lists the same tools to all callers: whether its list is to be empty. A text
   * is the only entry of the list, which marks its place in a batch.
   */
  wantsEmptyList?: boolean | string
}

/** The HTTP response to a request. */
export interface McpResponse {
  status: number
  /** Lower-case names. */
  headers: Record<string, string>
  body: string | Buffer | Readable | null
}

/** An MCP server that does not know which scopes its tools need. */
export interface ScopelessEndpoint {
  /** HTTP methods it serves. The route rejects all others with 405. */
  methods: readonly string[]
  /** Connects to the server. Await it at `onReady`, before the first request. */
  ready(): Promise<void>
  /** The call that a message amounts to which reads a resource. Default: none. */
  callOf?(message: RpcMessage): RouteCall | null
  /** The revisions of MCP that it supports, if they are known. */
  versions?(): readonly string[]
  /** All scopes of such calls. */
  knownScopes?(): readonly string[]
  /** The tools, if each caller is listed the same ones while the version is the same. */
  listedToAll?(): ListedToAll | null
  /** Serves a request. Rejects only for faults of the server behind the endpoint. */
  handle(request: McpRequest): Promise<McpResponse>
  /** Ends every request in progress. */
  close(): Promise<unknown>
}

/** The tools that a server lists to all callers. */
export interface ListedToAll {
  version: number
  /** In their order in the list. */
  names(): readonly string[]
}

/** A call as the scopes and the policy of tools judge it. */
export interface RouteCall {
  tool: { name: string }
  arguments: Record<string, unknown>
}

/** A JSON-RPC message that was not validated. */
export interface RpcMessage {
  jsonrpc?: unknown
  id?: unknown
  method?: unknown
  params?: unknown
  result?: unknown
}

/** A JSON-RPC request that the SDK recognises as one. */
export interface RpcRequest {
  id: string | number
  method: string
  params?: Record<string, unknown>
}

/** The messages of one HTTP body. Responses are dropped: no server here sends requests. */
export interface ParsedBody {
  requests: RpcRequest[]
  notifications: Array<Omit<RpcRequest, 'id'>>
  /** Whether the body is an array. Then the response must be one, too. */
  batch: boolean
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

/** Code of earlier eras for an unknown resource. The modern era has `invalidParams` instead. */
export const resourceNotFound = -32002

/** Makes a JSON-RPC error response (JSON-RPC 2.0 §5.1). */
export function rpcError (id: unknown, code: number, message: string, data?: unknown) {
  return { jsonrpc: '2.0', id, error: { code, message, data } }
}

/** Makes a response with a JSON-RPC error. Its id is `null` if the HTTP request itself failed. */
export function rpcFailure (
  status: number,
  code: number,
  message: string,
  id: unknown = null,
  data?: unknown
) {
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
export const disconnectedResponse: McpResponse = { ...acceptedResponse, status: 499 }

/** The parameter that names what a method is for. `Mcp-Name` repeats it. */
export const nameParameters = new Map<unknown, string>([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri']
])

/** Member of `_meta` that makes a message part of a task. */
export const relatedTask = 'io.modelcontextprotocol/related-task'

/** The messages of a JSON-RPC body: one, or those of a batch. */
export function messagesOf (body: unknown): RpcMessage[] {
  return Array.isArray(body) ? body.map(Object) : [Object(body)]
}

/** The `_meta` of a message. */
export function metaOf ({ params }: RpcMessage): Record<string, unknown> {
  return Object(Object(params)._meta)
}

/** Headers that belong to one HTTP connection, or follow from the URL and the body of a request. */
export const connectionHeaders: ReadonlySet<string> = new Set(
  ('host connection keep-alive proxy-connection transfer-encoding content-length te ' +
    'trailer upgrade expect').split(' ')
)
