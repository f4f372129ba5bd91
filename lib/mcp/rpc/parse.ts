/** Which messages does a body contain, and is it valid? */

import { maxBatchMessages, maxParameterValues } from '../../limits.ts'
import { isPlainObject } from '../../util/json.ts'
import {
  type McpResponse,
  type ParsedBody,
  nameParameters,
  relatedTask,
  rpcCode,
  rpcFailure
} from './messages.ts'

/** Revisions that the SDK 1.x supports. */
export const protocolVersions = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07'
]

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
  for (const message of [...parsed.requests, ...parsed.notifications]) {
    const problem = hasInvalidParameters(message)
      ? 'have invalid types'
      : hasTooManyValues(message)
      ? 'contain too many values'
      : null
    if (problem === null) continue
    const text = `The parameters of ${message.method} ${problem}`
    return rpcFailure(400, rpcCode.invalidParams, text, 'id' in message ? message.id : null)
  }
  return parsed
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

/** Validation copies each value. Only the arguments of tools, which have schemas, may be many. */
function hasTooManyValues ({ method, params = {} }: { method: string, params?: object }) {
  const pending: object[] = [params]
  let count = 0
  for (const value of pending) {
    for (const name in value) {
      if (name === 'arguments' && value === params && method === 'tools/call') continue
      if (++count > maxParameterValues) return true
      const member: unknown = value[name as keyof typeof value]
      if (typeof member === 'object' && member !== null) pending.push(member)
    }
  }
  return false
}

/** Whether a value can be the id of a request (JSON-RPC 2.0 §4), or a progress token. */
export function isId (value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value)
}

function invalid (message: string) {
  return rpcFailure(400, rpcCode.invalidRequest, message)
}
