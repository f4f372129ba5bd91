/** How do calls of tools become events, whichever server has the tools? */
import { finished, Readable } from 'node:stream'
import { isRefusal } from '../errors.ts'
import type { EventDetails } from '../events/table.ts'
import type { CallerEvents } from '../guard/caller-events.ts'
import { maxBatchMessages } from '../limits.ts'
import { heldScopes } from '../oauth/scope.ts'
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

type RequireScopes = Parameters<McpEndpoint['authorize']>[1]
type Outcome = EventDetails['tool.called']['outcome']

/** A call without a reply yet. */
interface Call {
  id: unknown
  end(outcome: Outcome): void
}

/**
 * Returns a function that serves a request if its caller may make all calls in it. While somebody
 * listens, the replies are read on their way out. They are the same for all servers and eras.
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
    calls: Call[]
  ): Promise<McpResponse> {
    const { cancellation } = request
    let isRefused = false
    /** The outcome of calls without a reply of their own. */
    let others: Outcome = 'cancelled'

    function endAll (outcome: Outcome) {
      for (const call of calls.splice(0)) call.end(cancellation.isCancelled ? 'cancelled' : outcome)
    }

    function note (message: RpcMessage) {
      const outcome = outcomeOf(message, isRefused)
      const index = calls.findIndex(({ id }) => id === message.id)
      if (index >= 0 && message.method === undefined) calls.splice(index, 1)[0]?.end(outcome)
      else if (message.id === null) others = outcome
      return message
    }

    try {
      const served = await serve(request, requireScopes, () => (isRefused = true))
      if (isRefused) others = 'error'
      const response = await mapMessages(served, note)
      if (!(response.body instanceof Readable)) endAll(others)
      else {
        finished(response.body, error => {
          const isBroken = error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE'
          endAll(isBroken ? 'error' : 'cancelled')
        })
      }
      return response
    } catch (error) {
      endAll(isRefusal(error) && error.statusCode === 403 ? 'denied' : 'error')
      throw error
    }
  }

  function callsIn ({ http, body, authInfo }: McpRequest): Call[] {
    const messages = requestsIn(body).slice(0, maxBatchMessages).filter(({ method, params }) =>
      method === 'tools/call' && typeof Object(params).name === 'string'
    )
    if (messages.length === 0) return []
    const tell = events.of(http)
    const start = performance.now()
    const scopes = authInfo ? { scopes: heldScopes(authInfo) } : {}
    return messages.map(({ id, params }) => ({
      id,
      end (outcome) {
        const ms = Math.round(10 * (performance.now() - start)) / 10
        tell('tool.called', authInfo ?? null, { tool: Object(params).name, outcome, ms, ...scopes })
      }
    }))
  }

  /** @param requireScopes throws the challenge for scopes that the caller does not have */
  return (request: McpRequest, requireScopes: RequireScopes) => {
    if (!events.isWatched('tool.called')) return serve(request, requireScopes)
    const calls = callsIn(request)
    return calls.length === 0
      ? serve(request, requireScopes)
      : observe(request, requireScopes, calls)
  }
}

function outcomeOf ({ result, error }: RpcMessage & { error?: unknown }, isRefused: boolean) {
  const { code } = Object(error)
  // A policy refuses calls of tools with results, and the rest of their batch with this code.
  if (isRefused && (result !== undefined || code === rpcCode.unavailable)) return 'denied'
  return error !== undefined || Object(result).isError === true ? 'error' : 'ok'
}
