/** How do the replies and notifications of requests become one HTTP response? */

import { PassThrough } from 'node:stream'
import { maxQueuedNotificationBytes } from '../../limits.ts'
import {
  type McpRequest,
  type McpResponse,
  type RpcMessage,
  acceptedResponse,
  disconnectedResponse,
  jsonResponse,
  rpcCode,
  rpcError
} from '../rpc/messages.ts'

/**
 * Makes a response under construction: JSON, unless a notification precedes the last reply.
 */
export function createPendingResponse (
  { expected, batch, mapMessage = message => message, streams, onEnd }: {
    /** Number of requests that await a reply. */
    expected: number
    batch: boolean
    mapMessage?: McpRequest['mapMessage']
    /** Whether the client accepts `text/event-stream`. */
    streams: boolean
    onEnd: () => void
  }
) {
  const replies: string[] = []
  let stream: PassThrough | undefined
  let open = expected
  let settle!: (response: McpResponse) => void
  const response = new Promise<McpResponse>(resolve => {
    settle = resolve
  })

  const write = (text: string) => stream?.write(`event: message\ndata: ${text}\n\n`)

  function finish (whole: McpResponse) {
    open = 0
    onEnd()
    // Without a reader the stream never drains, and `end` alone would never finish it.
    if (whole === disconnectedResponse) stream?.destroy()
    if (stream === undefined) settle(whole)
    else if (!stream.destroyed) stream.end()
  }

  return {
    response,

    /** Settles one request; `null` for a cancelled one, which has no reply. */
    reply (message: object | null) {
      if (open === 0) return
      const mapped = message && mapMessage(message)
      if (mapped !== null) {
        const text = toJson(mapped)
        if (stream === undefined) replies.push(text)
        else write(text)
      }
      if (--open > 0) return
      const body = batch ? `[${replies.join()}]` : replies.join()
      finish(replies.length === 0 ? acceptedResponse : jsonResponse(200, body))
    },

    /** Sends a notification, if the client accepts event streams. */
    notify (message: object) {
      if (open === 0 || !streams) return
      const mapped = mapMessage(message)
      if (mapped === null) return
      if (stream === undefined) {
        stream = new PassThrough({ highWaterMark: maxQueuedNotificationBytes })
        for (const reply of replies) write(reply)
        const headers = {
          'content-type': 'text/event-stream',
          'cache-control': 'no-cache, no-transform',
          'x-accel-buffering': 'no'
        }
        settle({ status: 200, headers, body: stream })
      }
      if (!stream.writableNeedDrain) write(JSON.stringify(mapped))
    },

    /** Ends the response at once: the client has disconnected, or the server closes. */
    end: (whole: McpResponse) => open > 0 && finish(whole)
  }
}

/** A result that JSON cannot hold (a BigInt, a cycle) becomes an error, so that no client waits. */
function toJson (message: RpcMessage) {
  try {
    return JSON.stringify(message)
  } catch {
    const problem = 'The result cannot be written as JSON'
    return JSON.stringify(rpcError(message.id, rpcCode.internalError, problem))
  }
}
