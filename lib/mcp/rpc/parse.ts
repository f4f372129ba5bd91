/** Which JSON-RPC messages does a request body contain, and is it valid? */

import { maxBatchMessages, maxBodyDepth } from '../../limits.ts'
import { isPlainObject } from '../../util/json.ts'
import { type McpResponse, rpcCode, rpcFailure } from './types.ts'

/** A JSON-RPC message that was not validated. */
export interface RpcMessage {
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

/** A JSON-RPC notification that the SDK recognises as one. */
type RpcNotification = Omit<RpcRequest, 'id'>

/** The messages of one HTTP body. Responses are dropped: no server here sends requests. */
export interface ParsedBody {
  requests: RpcRequest[]
  notifications: RpcNotification[]
  /** Whether the body is an array. Then the response must be one, too. */
  batch: boolean
}

/** Revisions that the SDK 1.x supports. */
export const protocolVersions: readonly string[] = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07'
]

/** Member of `_meta` that makes a message part of a task. */
export const relatedTask = 'io.modelcontextprotocol/related-task'

const batchVersion = '2025-03-26'

/**
 * Parses a JSON-RPC body. It is as strict as the schemas of the SDK, which never responds to a
 * message that it does not recognise, and much cheaper.
 *
 * @param version the `MCP-Protocol-Version` header. Default: 2025-03-26, the revision with batches
 * @returns the messages, or the response to an invalid body (400)
 */
export function parseBody (body: unknown, version: string | undefined): ParsedBody | McpResponse {
  if (version !== undefined && !protocolVersions.includes(version)) {
    const isDate = /^\d{4}-\d\d-\d\d$/.test(version)
    const data = { supported: protocolVersions, ...(isDate && { requested: version }) }
    const message = 'Unsupported protocol version'
    return rpcFailure(400, rpcCode.unsupportedVersion, message, null, data)
  }
  const rejection = rejectBatch(body, version)
  if (rejection !== null) return rejection

  const batch = Array.isArray(body)
  const messages: unknown[] = batch ? body : [body]
  if (messages.length === 0) return invalid('The batch is empty')
  const parsed: ParsedBody = { requests: [], notifications: [], batch }
  return messages.every(message => addMessage(message, parsed))
    ? parsed
    : invalid('The body is not a valid JSON-RPC message')
}

/**
 * Rejects a batch that is too large, or that belongs to a revision without batches.
 *
 * @returns the response (400), or `null` for a body that may be processed
 */
export function rejectBatch (body: unknown, version: string | undefined): McpResponse | null {
  if (!Array.isArray(body)) return null
  if (version !== undefined && version !== batchVersion) {
    return invalid('Batches are not part of this protocol version')
  }
  return body.length > maxBatchMessages ? invalid('The batch is too large') : null
}

/** The messages of a JSON-RPC body: one, or those of a batch. */
export function messagesOf (body: unknown): RpcMessage[] {
  return (Array.isArray(body) ? body : [body]).map(Object)
}

/** The `_meta` of a message. */
export function metaOf ({ params }: RpcMessage): Record<string, unknown> {
  return Object(Object(params)._meta)
}

/**
 * Checks whether a body is nested too deeply. Only a text with enough brackets is worth the walk.
 *
 * @param text the body before it was parsed
 */
export function isTooDeep (body: unknown, text: string): boolean {
  const brackets = maxBodyDepth + 1
  if (text.length < 2 * brackets) return false
  if (text.split(/[[{]/, brackets + 1).length <= brackets) return false
  let level: unknown[] = [body]
  for (let depth = 0; depth <= maxBodyDepth && level.length > 0; depth++) {
    level = level.flatMap(value => value === Object(value) ? Object.values(value as object) : [])
  }
  return level.length > 0
}

function addMessage (message: unknown, { requests, notifications }: ParsedBody): boolean {
  if (!isPlainObject(message) || message.jsonrpc !== '2.0') return false
  const { id, method, params, result, error } = message
  if (method === undefined) return isId(id) && (isPlainObject(result) || isPlainObject(error))
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

function isId (value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function invalid (message: string): McpResponse {
  return rpcFailure(400, rpcCode.invalidRequest, message)
}
