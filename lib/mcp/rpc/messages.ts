/** What do requests, responses and servers exchange, and which messages does a body contain? */

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { McpAuth } from '../../types.ts'
import { maxBatchMessages } from '../../limits.ts'
import type { Cancellation } from '../../util/cancellation.ts'
import { isPlainObject } from '../../util/json.ts'

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
  /** The messages of the body, once it was parsed. */
  parsed?: ParsedBody | undefined
  /** Cancelled when the client disconnects. */
  cancellation: Cancellation
  /** Changes replies and notifications before they are written. Null drops one. */
  mapMessage?: ((message: RpcMessage) => RpcMessage | null) | undefined
  /** For a server that lists the same tools to all callers: whether its list is to be empty. */
  wantsEmptyList?: boolean
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
  /** The call that a message amounts to which reads a resource. Default: none. */
  callOf?(message: RpcMessage): RouteCall | null
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

/** Revisions that the SDK 1.x supports. */
export const protocolVersions = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07'
]

/** The parameter that names what a method is for. `Mcp-Name` repeats it. */
export const nameParameters = new Map<unknown, string>([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri']
])

/** Member of `_meta` that makes a message part of a task. */
export const relatedTask = 'io.modelcontextprotocol/related-task'

/**
 * Parses a JSON-RPC body. It is as strict as the schemas of the SDK, which never responds to a
 * message that it does not recognise, and much cheaper.
 *
 * @param version the `MCP-Protocol-Version` header. Default: 2025-03-26, the revision with batches
 * @param parsed the result for the body, if it was parsed before
 * @returns the messages, or the response to an invalid body (400)
 */
export function parseBody (
  body: unknown,
  version: string | undefined,
  parsed?: ParsedBody
): ParsedBody | McpResponse {
  if (version !== undefined && !protocolVersions.includes(version)) {
    const isDate = /^\d{4}-\d\d-\d\d$/.test(version)
    const data = { supported: protocolVersions, ...(isDate && { requested: version }) }
    const message = 'Unsupported protocol version'
    return rpcFailure(400, rpcCode.unsupportedVersion, message, null, data)
  }
  return parsed ?? parseMessages(body, version)
}

/**
 * Parses the messages of a body of any revision. A call whose types are those of MCP means the
 * same to every server.
 *
 * @param version the `MCP-Protocol-Version` header
 * @returns the messages, or the response to an invalid body (400)
 */
export function parseMessages (body: unknown, version = '2025-03-26'): ParsedBody | McpResponse {
  const batch = Array.isArray(body)
  const messages: unknown[] = batch ? body : [body]
  if (batch && version !== '2025-03-26') {
    return invalid('Batches are not part of this protocol version')
  }
  if (messages.length > maxBatchMessages) return invalid('The batch is too large')
  if (messages.length === 0) return invalid('The batch is empty')
  const parsed: ParsedBody = { requests: [], notifications: [], batch }
  if (!messages.every(message => addMessage(message, parsed))) {
    return invalid('The body is not a valid JSON-RPC message')
  }
  const lists = parsed.requests.map(({ method }) => method).filter(name => name.endsWith('/list'))
  if (new Set(lists).size < lists.length) return invalid('The batch asks for a list twice')
  const mistyped = [...parsed.requests, ...parsed.notifications].find(hasInvalidParameters)
  if (mistyped === undefined) return parsed
  const { id } = { id: null, ...mistyped }
  const message = `The parameters of ${mistyped.method} have invalid types`
  return rpcFailure(400, rpcCode.invalidParams, message, id)
}

/** The messages of a JSON-RPC body: one, or those of a batch. */
export function messagesOf (body: unknown): RpcMessage[] {
  return Array.isArray(body) ? body.map(Object) : [Object(body)]
}

/** The `_meta` of a message. */
export function metaOf ({ params }: RpcMessage): Record<string, unknown> {
  return Object(Object(params)._meta)
}

function addMessage (message: unknown, { requests, notifications }: ParsedBody) {
  if (!isPlainObject(message) || message.jsonrpc !== '2.0') return false
  const { id = null, method, params, result, error } = message
  if (method === undefined) {
    return isPlainObject(error) ? id === null || isId(id) : isPlainObject(result) && isId(id)
  }
  if (typeof method !== 'string' || !areParams(params)) return false

  const notification = params === undefined ? { method } : { method, params }
  if (!('id' in message)) notifications.push(notification)
  else if (isId(id)) requests.push({ id, ...notification })
  else return false
  return true
}

function areParams (params: unknown): params is Record<string, unknown> | undefined {
  if (!isPlainObject(params)) return params === undefined
  const meta = params._meta
  if (!isPlainObject(meta)) return meta === undefined
  const { progressToken, [relatedTask]: task } = meta
  return (progressToken === undefined || isId(progressToken)) &&
    (task === undefined || (isPlainObject(task) && typeof task.taskId === 'string'))
}

function hasInvalidParameters ({ method, params = {} }: { method: string, params?: object }) {
  const name = nameParameters.get(method)
  if (name === undefined) return false
  const { [name]: value, arguments: args = {} } = params as Record<string, unknown>
  return typeof value !== 'string' || !isPlainObject(args)
}

function isId (value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function invalid (message: string) {
  return rpcFailure(400, rpcCode.invalidRequest, message)
}

/** Headers that belong to one HTTP connection, or follow from the URL and the body of a request. */
export const connectionHeaders = (
  'host connection keep-alive proxy-connection transfer-encoding content-length te ' +
  'trailer upgrade expect'
).split(' ')
