/** How do requests become events and spans, whichever server they are for? */
import { finished, Readable } from 'node:stream'
import { isRefusal } from '../errors.ts'
import type { EventDetails } from '../events/table.ts'
import type { CallerEvents } from '../guard/caller-events.ts'
import { maxBatchMessages, maxToldNameChars } from '../limits.ts'
import { heldScopes } from '../oauth/scope.ts'
import { type Span, isTraced } from '../telemetry/spans.ts'
import type { McpEndpoint } from './access/tool-access.ts'
import { requestsIn } from './rpc/closing.ts'
import {
  type McpRequest,
  type McpResponse,
  type RpcMessage,
  disconnectedResponse,
  rpcCode
} from './rpc/messages.ts'
import { mapMessages } from './rpc/responses.ts'
import { startMcpSpan } from './spans.ts'

type RequireScopes = Parameters<McpEndpoint['authorize']>[1]
type Outcome = EventDetails['tool.called']['outcome']

/** How a request ended: for its event, and for its span. */
type Ending = [outcome: Outcome, errorType: string | undefined]

/** A request without a reply yet. */
interface Pending {
  id: unknown
  span: Span | null
  /** Tells of it, if it is the call of a tool. */
  tell: ((outcome: Outcome) => void) | null
}

/**
 * Returns a function that serves a request if its caller may make all calls in it. While somebody
 * listens or traces, replies are read on their way out. They are the same for all servers and eras.
 */
export function createObserver (endpoint: McpEndpoint, events: CallerEvents) {
  async function serve (request: McpRequest, requireScopes: RequireScopes, onRefusal?: () => void) {
    const refusal = await endpoint.authorize(request, requireScopes)
    if (refusal !== null) {
      onRefusal?.()
      return refusal
    }
    // The list of tools may be incomplete after a disconnect, so no tool may run.
    if (request.cancellation.isCancelled) return disconnectedResponse
    return await endpoint.handle(request)
  }

  async function observe (
    request: McpRequest,
    requireScopes: RequireScopes,
    pending: Pending[]
  ): Promise<McpResponse> {
    const { cancellation } = request
    let isRefused = false
    /** The end of requests without a reply of their own. */
    let others: Ending = ['cancelled', 'cancelled']

    function end ({ span, tell }: Pending, [outcome, errorType]: Ending) {
      span?.end(
        errorType,
        errorType && /^-\d/.test(errorType)
          ? { 'rpc.response.status_code': errorType }
          : {}
      )
      tell?.(outcome)
    }

    function endAll (ending: Ending) {
      const last: Ending = cancellation.isCancelled ? ['cancelled', 'cancelled'] : ending
      for (const entry of pending.splice(0)) end(entry, last)
    }

    function note (message: RpcMessage) {
      if (message.method !== undefined) return message
      const ending = endingOf(message, isRefused)
      const [entry] = pending.splice(pending.findIndex(({ id }) => id === message.id) >>> 0, 1)
      if (entry !== undefined) end(entry, ending)
      else if (message.id === null) others = ending
      return message
    }

    const spans = new Map(pending.map(({ id, span }) => [id, span]))
    request.within = (id, work) => spans.get(id)?.run(work) ?? work()
    const run = () => serve(request, requireScopes, () => (isRefused = true))
    try {
      // The requests of a batch have a span each, so its calls run in theirs.
      const [only = null] = spans.size === 1 ? spans.values() : []
      const served = await (only ? only.run(run) : run())
      if (isRefused) others = ['error', '_OTHER']
      // An invalid body calls nothing.
      if (served.status === 400) { for (const entry of pending) entry.tell = null }
      const response = await mapMessages(served, note)
      if (!(response.body instanceof Readable)) endAll(others)
      else {
        finished(response.body, error => {
          const isBroken = error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE'
          endAll(isBroken ? ['error', '_OTHER'] : ['cancelled', 'cancelled'])
        })
      }
      return response
    } catch (error) {
      const { kind = '_OTHER', statusCode } = Object(error)
      endAll([isRefusal(error) && statusCode === 403 ? 'denied' : 'error', kind])
      throw error
    }
  }

  function pendingIn (request: McpRequest, isWatched: boolean): Pending[] {
    const { http, body, authInfo } = request
    const tell = isWatched ? events.of(http) : null
    const start = performance.now()
    const scopes = authInfo ? { scopes: heldScopes(authInfo) } : {}
    return requestsIn(body).slice(0, maxBatchMessages).flatMap(message => {
      const { id, method, params } = message
      const tool: unknown = method === 'tools/call' ? Object(params).name : undefined
      const span = startMcpSpan(request, message, endpoint.methods.includes('GET'))
      const isTold = tell !== null && typeof tool === 'string'
      if (span === null && !isTold) return []
      return [{
        id,
        span,
        tell: !isTold
          ? null
          : outcome => {
            const ms = Math.round(10 * (performance.now() - start)) / 10
            const name = tool.slice(0, maxToldNameChars)
            tell('tool.called', authInfo ?? null, { tool: name, outcome, ms, ...scopes })
          }
      }]
    })
  }

  /** @param requireScopes throws the challenge for scopes that the caller does not have */
  return (request: McpRequest, requireScopes: RequireScopes) => {
    const isWatched = events.isWatched('tool.called')
    if (!isWatched && !isTraced()) return serve(request, requireScopes)
    const pending = pendingIn(request, isWatched)
    return pending.length === 0
      ? serve(request, requireScopes)
      : observe(request, requireScopes, pending)
  }
}

function endingOf (
  { result, error }: RpcMessage & { error?: unknown },
  isRefused: boolean
): Ending {
  const { code } = Object(error)
  const errorType = error !== undefined
    ? String(code)
    : Object(result).isError === true
    ? 'tool_error'
    : undefined
  // A policy refuses calls of tools with results, and the rest of their batch with this code.
  const isDenied = isRefused && (result !== undefined || code === rpcCode.unavailable)
  return [isDenied ? 'denied' : errorType === undefined ? 'ok' : 'error', errorType]
}
