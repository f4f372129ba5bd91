import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, MessageExtraInfo } from '@modelcontextprotocol/sdk/types.js'
import {
  type McpResponse,
  type McpRequest,
  emptyResponse,
  goneStatus,
  rpcCode,
  rpcFailure
} from '../rpc/types.ts'
import { verifiedProofOf, type VerifiedProof } from '../../dpop/verified-proof.ts'
import {
  type ParsedBody,
  type RpcNotification,
  type RpcRequest,
  relatedTask
} from '../rpc/parse.ts'
import { type PendingResponse, createPendingResponse } from './response.ts'

/** What tools find in `extra.requestInfo`. */
export interface RequestInfo {
  headers: McpRequest['request']['headers']
  /** The client's address, as Fastify knows it. */
  remoteAddress: string
  /** What the request has proven about its token, for the routes that are called because of it. */
  proof?: VerifiedProof
}

/** A request in progress. Its key is the id the server knows it by; `id` is the client's. */
interface Pending {
  id: string | number
  exchange: PendingResponse
  token: string | undefined
  cancel: () => void
}

/**
 * Requests in progress, over all connections of one endpoint: what `notifications/cancelled` may
 * speak about.
 */
export type InFlight = Set<Pending>

export interface Multiplexer {
  /** For the server's `connect()`. */
  transport: Transport
  /** Hands the messages to the server and resolves to its answer. */
  handle(envelope: ParsedBody, call: McpRequest): Promise<McpResponse>
}

/**
 * Lets one connected SDK server serve any number of independent HTTP requests.
 *
 * Every JSON-RPC request gets an id of its own that is never used again, so that replies and
 * notifications find back to the caller who asked, whatever ids clients choose. A server that is
 * `shared` between callers keeps no state one of them could see or change, but for how the last
 * client introduced itself (`getClientVersion()`), which on a shared server means nothing.
 */
export function createMultiplexer (
  { shared, inFlight }: { shared: boolean, inFlight: InFlight }
): Multiplexer {
  const pending = new Map<number, Pending>()
  let lastId = 0
  let closed = false

  const transport: Transport = {
    async start () {},

    async send (message, options) {
      if ('method' in message) {
        if ('id' in message) refuseQuestion(message.id)
        else pending.get(options?.relatedRequestId as number)?.exchange.notify(message)
        return
      }
      const entry = forget(message.id as number)
      if (entry === undefined) return
      message.id = entry.id
      entry.exchange.reply(message)
    },

    async close () {
      if (closed) return
      closed = true
      for (const [id, { exchange }] of [...pending]) {
        forget(id)
        exchange.end('closing')
      }
      transport.onclose?.()
    }
  }

  function forget (id: number): Pending | undefined {
    const entry = pending.get(id)
    if (entry === undefined) return undefined
    pending.delete(id)
    inFlight.delete(entry)
    return entry
  }

  /**
   * An answer could only come with another HTTP request, of which nothing says that it is from the
   * same client.
   */
  function refuseQuestion (id: string | number): void {
    const error = {
      code: rpcCode.unavailable,
      message: 'This server cannot send requests to its clients'
    }
    transport.onmessage?.({ jsonrpc: '2.0', id, error })
  }

  /**
   * The SDK aborts a tool's `extra.signal` when it is told of a cancellation, and then sends no
   * reply.
   */
  function cancel (id: number): void {
    const entry = forget(id)
    if (entry === undefined) return
    transport.onmessage?.({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: id, reason: 'cancelled' }
    })
    entry.exchange.reply(null)
  }

  function start (
    request: RpcRequest,
    exchange: PendingResponse,
    extra: MessageExtraInfo
  ): () => void {
    const key = ++lastId
    const entry: Pending = {
      id: request.id,
      exchange,
      token: extra.authInfo?.token,
      cancel: () => cancel(key)
    }
    pending.set(key, entry)
    inFlight.add(entry)
    transport.onmessage?.({ jsonrpc: '2.0', ...request, id: key } as JSONRPCMessage, extra)
    return entry.cancel
  }

  function notice (notification: RpcNotification, token: string | undefined): void {
    if (notification.method === 'notifications/cancelled') {
      cancelOwn(inFlight, notification.params?.requestId, token)
    } else transport.onmessage?.({ jsonrpc: '2.0', ...notification } as JSONRPCMessage)
  }

  return {
    transport,

    async handle ({ requests, notifications, batch }, call) {
      if (closed) return rpcFailure(503, rpcCode.unavailable, 'The server is closing')
      if (call.signal.aborted) return emptyResponse(goneStatus)
      const extra = extraOf(call)
      for (const notification of notifications) notice(notification, extra.authInfo?.token)
      if (requests.length === 0) return emptyResponse(202)

      const cancels: Array<() => void> = []
      function onAbort (): void {
        exchange.end('gone')
        for (const cancel of cancels) cancel()
      }
      const exchange = createPendingResponse({
        expected: requests.length,
        batch,
        streams: call.headers.accept?.includes('text/event-stream') === true,
        onEnd: () => call.signal.removeEventListener('abort', onAbort)
      })
      call.signal.addEventListener('abort', onAbort, { once: true })
      for (const request of requests) {
        const reply = shared ? sharedReply(request) : undefined
        if (reply === undefined) cancels.push(start(request, exchange, extra))
        else exchange.reply(reply)
      }
      return exchange.answer
    }
  }
}

/**
 * Ids are only unique per client, so a cancellation counts if the same token has exactly one
 * request of that id.
 */
function cancelOwn (inFlight: InFlight, id: unknown, token: string | undefined): void {
  if (!token) return
  const own = [...inFlight].filter((entry) => entry.id === id && entry.token === token)
  if (own.length === 1) own[0]?.cancel()
}

/**
 * Replies to what would read or change state that a shared server keeps for all of its callers
 * together.
 */
function sharedReply ({ id, method, params }: RpcRequest): object | undefined {
  // One level per server: whoever set it would silence the others.
  if (method === 'logging/setLevel') return { jsonrpc: '2.0', id, result: {} }
  const meta = params?._meta as Record<string, unknown> | undefined
  if (
    !method.startsWith('tasks/') && params?.task === undefined && meta?.[relatedTask] === undefined
  ) return undefined
  return {
    jsonrpc: '2.0',
    id,
    error: { code: rpcCode.methodNotFound, message: 'Tasks are not available on this server' }
  }
}

function extraOf ({ request, headers: sent, authInfo }: McpRequest): MessageExtraInfo {
  // The SDK keeps a log level for every session id it sees, for ever; there are no sessions here.
  const { 'mcp-session-id': ignored, ...headers } = sent
  const proof = verifiedProofOf(request)
  const requestInfo: RequestInfo = {
    headers,
    remoteAddress: request.ip,
    ...(proof !== undefined && { proof })
  }
  return authInfo === undefined ? { requestInfo } : { requestInfo, authInfo }
}
