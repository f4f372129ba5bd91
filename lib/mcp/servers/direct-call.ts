/** How does a call reach its handler in a server of the SDK 1.x without the SDK's messages? */

import type { Protocol, RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { SdkServer } from '../../options/mcp.ts'
import { type RpcMessage, relatedTask, rpcCode, rpcError } from '../rpc/messages.ts'
import type { Cancellation } from '../../util/cancellation.ts'
import type { DirectCall } from './multiplexer.ts'

type Extra = RequestHandlerExtra<never, never>
type Handler = (request: RpcMessage, extra: Extra) => Promise<unknown>

/** The parts of the SDK's `Protocol` that a call needs. */
type Sdk = Pick<Protocol<never, never, never>, 'notification' | 'request' | 'transport'> & {
  _requestHandlers?: Map<string, Handler>
  _taskStore?: unknown
}

/** The members of the second argument of a handler, in their order. */
const extraMembers = 'signal sessionId _meta sendNotification sendRequest authInfo requestId ' +
  'requestInfo taskId taskStore taskRequestedTtl closeSSEStream closeStandaloneSSEStream'

/**
 * The second argument of a handler. All share one getter of `signal`: with a getter of its own,
 * each would have a hidden class of its own.
 */
class DirectExtra {
  static readonly #signal: PropertyDescriptor & ThisType<DirectExtra> = {
    enumerable: true,
    configurable: true,
    get () {
      return this.#cancellation.signal
    },
    set (value) {
      Object.defineProperty(this, 'signal', { value, writable: true })
    }
  }

  readonly #cancellation: Cancellation

  constructor (cancellation: Cancellation, members: object) {
    this.#cancellation = cancellation
    Object.defineProperty(this, 'signal', DirectExtra.#signal)
    Object.assign(this, members)
  }
}

/** A request of our own, whose handler is removed before a client can call it. */
const probe = { jsonrpc: '2.0', id: 0, method: 'fastify-mcp-oauth/probe' } as const

/**
 * Prepares calls that skip how the SDK recognises a message and looks for its handler. The handler
 * still checks request and result, and what the SDK recognises was checked before.
 *
 * @returns `null` unless this SDK keeps its handlers, and calls them, as the SDK 1.32 does
 */
export async function directCallOf (
  server: SdkServer,
  transport: Transport
): Promise<DirectCall | null> {
  const sdk: Sdk = Object(server).server ?? server
  const { _requestHandlers: handlers } = sdk
  if (!(handlers instanceof Map) || sdk.transport !== transport || sdk._taskStore) return null
  const members = await new Promise<string>(resolve => {
    handlers.set(probe.method, async (_request, extra) => {
      resolve(Object.keys(extra).join(' '))
      return {}
    })
    transport.onmessage?.(probe)
    setImmediate(resolve, '')
  })
  handlers.delete(probe.method)
  if (members !== extraMembers) return null
  const { McpError } = await import('@modelcontextprotocol/sdk/types.js')

  return (request, key, { authInfo, requestInfo }, cancellation) => {
    const handler = handlers.get('tools/call')
    const { method, params } = request
    const { _meta, task } = Object(params)
    const isTask = task !== undefined || Object(_meta)[relatedTask] !== undefined
    if (handler === undefined || isTask || sdk.transport !== transport) return null
    const related = { relatedRequestId: key }
    const extra = new DirectExtra(cancellation, {
      sessionId: undefined,
      _meta,
      async sendNotification (notification: never) {
        if (!cancellation.isCancelled) await sdk.notification(notification, related)
      },
      async sendRequest (request: never, schema: never, options?: object) {
        if (!cancellation.isCancelled) {
          return await sdk.request(request, schema, { ...options, ...related })
        }
        throw new McpError(rpcCode.unavailable, 'Request was cancelled')
      },
      authInfo,
      requestId: key,
      requestInfo,
      taskId: undefined,
      taskStore: undefined,
      taskRequestedTtl: undefined,
      closeSSEStream: undefined,
      closeStandaloneSSEStream: undefined
    }) as unknown as Extra
    return replyOf(key, () => handler({ jsonrpc: '2.0', id: key, method, params }, extra))
  }
}

/** Makes the reply from a result or an error, as the SDK does. */
export async function replyOf (id: unknown, call: () => unknown): Promise<RpcMessage> {
  try {
    return { result: await call(), jsonrpc: '2.0', id }
  } catch (error) {
    const { code, message, data } = Object(error)
    const isCode = Number.isSafeInteger(code)
    return rpcError(
      id,
      isCode ? code : rpcCode.internalError,
      message ?? 'Internal error',
      data
    )
  }
}
