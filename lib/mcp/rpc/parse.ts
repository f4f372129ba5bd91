import { type McpResponse, rpcCode, rpcFailure } from './types.ts'

/** A JSON-RPC request the SDK will accept as one. */
export interface RpcRequest {
  id: string | number
  method: string
  params?: Record<string, unknown>
}

/** A JSON-RPC notification the SDK will accept as one. */
export type RpcNotification = Omit<RpcRequest, 'id'>

/**
 * The messages of one HTTP body, sorted. Responses are dropped: nothing here ever asks a client
 * anything.
 */
export interface ParsedBody {
  requests: RpcRequest[]
  notifications: RpcNotification[]
  /** The body was an array, so the answer has to be one. */
  batch: boolean
}

/** Revisions the SDK 1.x speaks. */
export const protocolVersions: readonly string[] = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07'
]

/** Most messages one batch may hold. */
export const batchLimit = 50

/** Member of `_meta` by which a message becomes part of a task. */
export const relatedTask = 'io.modelcontextprotocol/related-task'

const batchVersion = '2025-03-26'

/**
 * Opens a JSON-RPC body, or says why not as a complete answer (400).
 *
 * As strict as the SDK's own schemas, because a message the SDK does not recognise would never be
 * answered, and without their cost. Batches exist only in revision 2025-03-26, which is also what a
 * missing `version` (the `MCP-Protocol-Version` header) stands for.
 */
export function parseBody (body: unknown, version: string | undefined): ParsedBody | McpResponse {
  if (version !== undefined && !protocolVersions.includes(version)) {
    return unsupportedVersion(version)
  }

  const refused = refuseBatch(body, version)
  if (refused !== null) return refused

  const batch = Array.isArray(body)
  const messages: unknown[] = batch ? body : [body]
  if (messages.length === 0) return invalid('The batch is empty')

  const envelope: ParsedBody = { requests: [], notifications: [], batch }
  for (const message of messages) {
    if (!sort(message, envelope)) return invalid('The body is not a valid JSON-RPC message')
  }
  return envelope
}

/**
 * The answer to a batch in a revision that has none, or to one that is too large (400); or `null`.
 */
export function refuseBatch (body: unknown, version: string | undefined): McpResponse | null {
  if (!Array.isArray(body)) return null
  if (version !== undefined && version !== batchVersion) {
    return invalid('Batches are not part of this protocol version')
  }
  return body.length > batchLimit ? invalid('The batch is too large') : null
}

function sort (message: unknown, { requests, notifications }: ParsedBody): boolean {
  if (!isObject(message) || message.jsonrpc !== '2.0') return false
  const { id, method, params } = message
  if (method === undefined) return isId(id) && (isObject(message.result) || isObject(message.error))
  if (typeof method !== 'string' || !areParams(params)) return false

  const rest = params === undefined ? { method } : { method, params }
  if (!('id' in message)) notifications.push(rest)
  else if (isId(id)) requests.push({ id, ...rest })
  else return false
  return true
}

function areParams (params: unknown): params is Record<string, unknown> | undefined {
  if (params === undefined) return true
  if (!isObject(params)) return false
  const meta = params._meta
  if (meta === undefined) return true
  if (!isObject(meta)) return false
  const { progressToken, [relatedTask]: task } = meta
  return (progressToken === undefined || isId(progressToken)) &&
    (task === undefined || (isObject(task) && typeof task.taskId === 'string'))
}

function isId (value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unsupportedVersion (version: string): McpResponse {
  const requested = /^\d{4}-\d\d-\d\d$/.test(version) ? { requested: version } : {}
  return rpcFailure(400, rpcCode.unsupportedVersion, 'Unsupported protocol version', {
    supported: protocolVersions,
    ...requested
  })
}

function invalid (message: string): McpResponse {
  return rpcFailure(400, rpcCode.invalidRequest, message)
}
