/** How does one connected SDK server serve the requests of many clients? */

import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, MessageExtraInfo } from '@modelcontextprotocol/sdk/types.js'
import { type VerifiedProof, verifiedProofs } from '../../dpop/verifier.ts'
import { Cancellation } from '../../util/cancellation.ts'
import { closingResponse } from '../rpc/closing.ts'
import {
  type McpRequest,
  type ParsedBody,
  type RpcMessage,
  type RpcRequest,
  acceptedResponse,
  disconnectedResponse,
  relatedTask,
  rpcCode,
  rpcError
} from '../rpc/messages.ts'
import { observed } from './observed.ts'
import { createPendingResponse } from './pending-response.ts'

/** The value of `extra.requestInfo` in tools. */
export interface RequestInfo {
  headers: McpRequest['headers']
  /** The client's address, as Fastify reports it. */
  remoteAddress: string
  /** The verified proof of the request, for the routes that a tool calls. */
  proof?: VerifiedProof | undefined
}

/** A request in progress. The server has a key for it; `id` is the id of the client. */
export interface RequestInProgress extends RpcRequest {
  response: ReturnType<typeof createPendingResponse>
  token: string | undefined
  /** For a direct call. The SDK cancels others itself. */
  cancellation: Cancellation | null
  cancel: () => void
}

/** The part of a request that a server learns beside its message. */
export type CallInfo = Pick<MessageExtraInfo, 'authInfo'> & { requestInfo: RequestInfo }

/**
 * Calls a tool on a shorter way than that of the transport.
 *
 * @param key the id that the server knows the request by
 * @returns the reply, or `null` for a request that must take the transport
 */
export type DirectCall = (
  request: RpcRequest,
  key: number,
  info: CallInfo,
  cancellation: Cancellation
) => Promise<RpcMessage> | null

/**
 * Lets one connected SDK server serve any number of independent HTTP requests.
 *
 * Every JSON-RPC request gets a new id, so that replies and notifications find their client,
 * whatever ids clients choose. A `shared` server keeps no state that a caller could read or change
 * for another one. Only `getClientVersion()` is meaningless: it names the last client.
 *
 * @param inProgress the requests in progress on all connections of an endpoint, for
 *   `notifications/cancelled`
 */
export function createMultiplexer (shared: boolean, inProgress = new Set<RequestInProgress>()) {
  const pending = new Map<number, RequestInProgress>()
  let lastKey = 0
  let closed = false
  const tools = {
    /** How often the server has said that its tools changed. */
    version: 0,
    /** Whether a list has read who the caller is. */
    dependOnCaller: false
  }
  let direct: DirectCall | null = null
  let onmessage: Transport['onmessage']
  let assignments = 0

  const transport: Transport = {
    // Instrumentation wraps the handler of messages: then every message has to reach it.
    get onmessage () {
      return onmessage
    },
    set onmessage (handler) {
      onmessage = handler
      assignments++
    },
    async start () {},
    send,
    async close () {
      closed = true
      const entries = [...pending.keys()].map(take)
      for (const entry of entries) entry?.response.end(closingResponse(entry))
      transport.onclose?.()
      for (const entry of entries) entry?.cancellation?.cancel()
    }
  }

  async function send (...[message, options]: Parameters<Transport['send']>) {
    if ('method' in message) {
      // The client would respond with another HTTP request, which cannot be traced to this one.
      const problem = 'This server cannot send requests to its clients'
      if ('id' in message) receive(rpcError(message.id, rpcCode.unavailable, problem))
      else if (message.method === 'notifications/tools/list_changed') tools.version++
      else pending.get(options?.relatedRequestId as number)?.response.notify(message)
      return
    }
    const entry = take(message.id as number)
    if (entry === undefined) return
    message.id = entry.id
    entry.response.reply(message)
  }

  function receive (message: object, extra?: MessageExtraInfo) {
    transport.onmessage?.({ jsonrpc: '2.0', ...message } as JSONRPCMessage, extra)
  }

  function take (key: number) {
    const entry = pending.get(key)
    pending.delete(key)
    if (entry !== undefined) inProgress.delete(entry)
    return entry
  }

  function start (
    request: RpcRequest,
    response: RequestInProgress['response'],
    info: CallInfo,
    isAlone: boolean
  ) {
    const key = ++lastKey
    // The replies in a batch stay in the order in which the SDK sends them.
    const isDirect = direct !== null && isAlone && request.method === 'tools/call' &&
      assignments === 1 && transport.send === send
    // Without a spread, after which V8 defines each member by itself.
    const entry: RequestInProgress = {
      id: request.id,
      method: request.method,
      response,
      token: info.authInfo?.token,
      cancellation: isDirect ? new Cancellation() : null,
      /** On a cancellation, the SDK aborts the tool's `extra.signal` and sends no reply. */
      cancel () {
        if (take(key) === undefined) return
        const params = { requestId: key, reason: 'cancelled' }
        if (entry.cancellation === null) receive({ method: 'notifications/cancelled', params })
        else entry.cancellation.cancel(params.reason)
        response.reply(null)
      }
    }
    pending.set(key, entry)
    inProgress.add(entry)
    const reply = entry.cancellation && direct?.(request, key, info, entry.cancellation)
    if (reply) {
      reply.then(message => {
        if (take(key) === undefined) return
        message.id = request.id
        response.reply(message)
      })
    } else {
      entry.cancellation = null
      receive(
        { ...request, id: key },
        request.method === 'tools/list'
          ? observed(info, () => (tools.dependOnCaller = true))
          : info
      )
    }
    return entry.cancel
  }

  /** Two clients may use the same id. A cancellation needs the one request with id and token. */
  function cancelOwn (id: unknown, token: string | undefined) {
    if (!token) return
    const own = [...inProgress].filter(entry => entry.id === id && entry.token === token)
    if (own.length === 1) own[0]?.cancel()
  }

  return {
    /** For the server's `connect()`. */
    transport,
    tools,
    /** Lets calls take the shorter way from now on. */
    shorten (call: DirectCall | null) {
      direct = call
    },
    /** Passes the messages to the server, and resolves to its response. */
    async handle ({ requests, notifications, batch }: ParsedBody, request: McpRequest) {
      const { http, headers, hasOwnHeaders, body, authInfo, cancellation } = request
      const { mapMessage, within, wantsEmptyList = false } = request
      if (closed) return closingResponse(body)
      if (cancellation.isCancelled) return disconnectedResponse
      for (const notification of notifications) {
        if (notification.method !== 'notifications/cancelled') receive(notification)
        else cancelOwn(notification.params?.requestId, authInfo?.token)
      }
      if (requests.length === 0) return acceptedResponse

      const cancels: Array<() => void> = []
      function onAbort () {
        response.end(disconnectedResponse)
        for (const cancel of cancels) cancel()
      }
      const response = createPendingResponse({
        expected: requests.length,
        batch,
        mapMessage,
        // Not negotiated: `*/*` must not mean that the client can read event streams.
        streams: headers.accept?.includes('text/event-stream') === true,
        onEnd: () => cancellation.remove(onAbort)
      })
      cancellation.add(onAbort)
      // The SDK stores a log level for every session id, so ids of clients must not reach it.
      const kept = hasOwnHeaders ? headers : { ...headers }
      if (kept['mcp-session-id'] !== undefined) delete kept['mcp-session-id']
      const proof = verifiedProofs.get(http)
      const info = {
        requestInfo: { headers: kept, remoteAddress: http.ip, ...(proof && { proof }) },
        ...(authInfo && { authInfo })
      }
      for (const request of requests) {
        const reply = shared ? sharedReply(request, wantsEmptyList) : undefined
        const begin = () => start(request, response, info, requests.length === 1)
        if (reply !== undefined) response.reply(reply)
        else cancels.push(batch && within ? within(request.id, begin) : begin())
      }
      return response.response
    }
  }
}

/** The reply to a request that would read or change state which all callers of a server share. */
function sharedReply (
  { id, method, params }: RpcRequest,
  wantsEmptyList: boolean | string
) {
  // A server has one log level: one client could silence the others.
  if (method === 'logging/setLevel') return { jsonrpc: '2.0', id, result: {} }
  const meta = params?._meta as Record<string, unknown> | undefined
  const isTask = method.startsWith('tasks/') || params?.task !== undefined ||
    meta?.[relatedTask] !== undefined
  if (isTask) return rpcError(id, rpcCode.methodNotFound, 'Tasks are not available on this server')
  return wantsEmptyList && method === 'tools/list'
    ? { result: { tools: wantsEmptyList === true ? [] : [wantsEmptyList] }, jsonrpc: '2.0', id }
    : undefined
}
