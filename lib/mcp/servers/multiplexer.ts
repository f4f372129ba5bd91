/** How does one connected SDK server serve the requests of many clients? */

import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, MessageExtraInfo } from '@modelcontextprotocol/sdk/types.js'
import {
  type McpRequest,
  type McpResponse,
  acceptedResponse,
  closingResponse,
  disconnectedResponse,
  rpcCode,
  rpcError
} from '../rpc/types.ts'
import { verifiedProofs } from '../../dpop/verifier.ts'
import type { VerifiedProof } from '../../dpop/verifier.ts'
import { type ParsedBody, type RpcRequest, relatedTask } from '../rpc/parse.ts'
import { type PendingResponse, createPendingResponse } from './response.ts'

/** The value of `extra.requestInfo` in tools. */
export interface RequestInfo {
  headers: McpRequest['headers']
  /** The client's address, as Fastify reports it. */
  remoteAddress: string
  /** The verified proof of the request, for the routes that a tool calls. */
  proof?: VerifiedProof
}

/** A request in progress. The server has a key for it; `id` is the id of the client. */
interface RequestInProgress {
  id: string | number
  response: PendingResponse
  token: string | undefined
  cancel: () => void
}

/** The requests in progress on all connections of an endpoint, for `notifications/cancelled`. */
export type InProgress = Set<RequestInProgress>

const noRequests = 'This server cannot send requests to its clients'

/**
 * Lets one connected SDK server serve any number of independent HTTP requests.
 *
 * Every JSON-RPC request gets a new id, so that replies and notifications find their client,
 * whatever ids clients choose. A `shared` server keeps no state that a caller could read or change
 * for another one. Only `getClientVersion()` is meaningless: it names the last client.
 */
export function createMultiplexer (
  { shared, inProgress }: { shared: boolean, inProgress: InProgress }
) {
  const pending = new Map<number, RequestInProgress>()
  let lastKey = 0
  let closed = false

  const transport: Transport = {
    async start () {},
    async send (message, options) {
      if ('method' in message) {
        // The client would respond with another HTTP request, which cannot be traced to this one.
        if ('id' in message) receive(rpcError(message.id, rpcCode.unavailable, noRequests))
        else pending.get(options?.relatedRequestId as number)?.response.notify(message)
        return
      }
      const entry = take(message.id as number)
      if (entry === undefined) return
      message.id = entry.id
      entry.response.reply(message)
    },
    async close () {
      closed = true
      for (const key of pending.keys()) take(key)?.response.end('closing')
      transport.onclose?.()
    }
  }

  function receive (message: object, extra?: MessageExtraInfo): void {
    transport.onmessage?.({ jsonrpc: '2.0', ...message } as JSONRPCMessage, extra)
  }

  function take (key: number): RequestInProgress | undefined {
    const entry = pending.get(key)
    if (entry !== undefined) {
      pending.delete(key)
      inProgress.delete(entry)
    }
    return entry
  }

  /** On a cancellation, the SDK aborts the tool's `extra.signal` and sends no reply. */
  function cancel (key: number): void {
    const entry = take(key)
    if (entry === undefined) return
    const params = { requestId: key, reason: 'cancelled' }
    receive({ method: 'notifications/cancelled', params })
    entry.response.reply(null)
  }

  function start (
    request: RpcRequest,
    response: PendingResponse,
    extra: MessageExtraInfo
  ): () => void {
    const key = ++lastKey
    const entry = {
      id: request.id,
      response,
      token: extra.authInfo?.token,
      cancel: () => cancel(key)
    }
    pending.set(key, entry)
    inProgress.add(entry)
    receive({ ...request, id: key }, extra)
    return entry.cancel
  }

  return {
    /** For the server's `connect()`. */
    transport,
    /** Passes the messages to the server, and resolves to its response. */
    async handle (
      { requests, notifications, batch }: ParsedBody,
      { http, headers, authInfo, signal }: McpRequest
    ): Promise<McpResponse> {
      if (closed) return closingResponse
      if (signal.aborted) return disconnectedResponse
      for (const notification of notifications) {
        if (notification.method !== 'notifications/cancelled') receive(notification)
        else cancelOwn(inProgress, notification.params?.requestId, authInfo?.token)
      }
      if (requests.length === 0) return acceptedResponse

      const cancels: Array<() => void> = []
      function onAbort (): void {
        response.end('disconnected')
        for (const cancel of cancels) cancel()
      }
      const response = createPendingResponse({
        expected: requests.length,
        batch,
        // Not negotiated: `*/*` must not mean that the client can read event streams.
        streams: headers.accept?.includes('text/event-stream') === true,
        onEnd: () => signal.removeEventListener('abort', onAbort)
      })
      signal.addEventListener('abort', onAbort, { once: true })
      const requestInfo = requestInfoOf(http, headers)
      const extra = authInfo === undefined ? { requestInfo } : { requestInfo, authInfo }
      for (const request of requests) {
        const reply = shared ? sharedReply(request) : undefined
        if (reply === undefined) cancels.push(start(request, response, extra))
        else response.reply(reply)
      }
      return response.response
    }
  }
}

/** Two clients may use the same id. A cancellation needs the one request with its id and token. */
function cancelOwn (inProgress: InProgress, id: unknown, token: string | undefined): void {
  if (!token) return
  const own = [...inProgress].filter((entry) => entry.id === id && entry.token === token)
  if (own.length === 1) own[0]?.cancel()
}

/** The reply to a request that would read or change state which all callers of a server share. */
function sharedReply ({ id, method, params }: RpcRequest): object | undefined {
  // A server has one log level: one client could silence the others.
  if (method === 'logging/setLevel') return { jsonrpc: '2.0', id, result: {} }
  const meta = params?._meta as Record<string, unknown> | undefined
  const isTask = method.startsWith('tasks/') || params?.task !== undefined ||
    meta?.[relatedTask] !== undefined
  return isTask
    ? rpcError(id, rpcCode.methodNotFound, 'Tasks are not available on this server')
    : undefined
}

/** The SDK stores a log level for every session id it sees, so ids of clients must not reach it. */
function requestInfoOf (
  http: McpRequest['http'],
  { 'mcp-session-id': _session, ...headers }: McpRequest['headers']
): RequestInfo {
  const proof = verifiedProofs.get(http)
  return { headers, remoteAddress: http.ip, ...(proof !== undefined && { proof }) }
}
