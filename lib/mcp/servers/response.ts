/** How do the replies to one HTTP request become its response? */

import { PassThrough } from 'node:stream'
import { maxQueuedNotificationBytes } from '../../limits.ts'
import {
  type McpResponse,
  acceptedResponse,
  closingResponse,
  disconnectedResponse,
  jsonResponse,
  rpcCode,
  rpcError
} from '../rpc/types.ts'

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no'
}

interface PendingResponseOptions {
  /** Number of requests that await a reply. */
  expected: number
  /** Whether the requests are a batch. */
  batch: boolean
  /** Whether the client accepts `text/event-stream`. */
  streams: boolean
  /** Called once, after the last reply or `end`. */
  onEnd: () => void
}

export type PendingResponse = ReturnType<typeof createPendingResponse>

/** Makes a response under construction: JSON, unless a notification precedes the last reply. */
export function createPendingResponse (
  { expected, batch, streams, onEnd }: PendingResponseOptions
) {
  const replies: string[] = []
  let stream: PassThrough | undefined
  let open = expected
  let settle!: (response: McpResponse) => void
  const response = new Promise<McpResponse>((resolve) => {
    settle = resolve
  })

  function finish (whole: McpResponse): void {
    open = 0
    onEnd()
    if (stream === undefined) settle(whole)
    else if (!stream.destroyed) stream.end()
  }

  return {
    response,

    /** Settles one request; `null` for a cancelled one, which has no reply. */
    reply (message: object | null): void {
      if (open === 0) return
      if (message !== null) {
        const text = toJson(message)
        if (stream === undefined) replies.push(text)
        else stream.write(toEvent(text))
      }
      if (--open > 0) return
      const body = batch ? `[${replies.join()}]` : replies.join()
      finish(replies.length === 0 ? acceptedResponse : jsonResponse(200, body))
    },

    /** Sends a notification, if the client accepts event streams. */
    notify (message: object): void {
      if (open === 0 || !streams) return
      if (stream === undefined) {
        stream = new PassThrough({ highWaterMark: maxQueuedNotificationBytes })
        for (const reply of replies) stream.write(toEvent(reply))
        settle({ status: 200, headers: { ...streamHeaders }, body: stream })
      }
      if (!stream.writableNeedDrain) stream.write(toEvent(JSON.stringify(message)))
    },

    /** Ends the response at once: the client has disconnected, or the server closes. */
    end (reason: 'disconnected' | 'closing'): void {
      if (open === 0) return
      const disconnected = reason === 'disconnected'
      // Without a reader the stream never drains, and `end` alone would never finish it.
      if (disconnected) stream?.destroy()
      finish(disconnected ? disconnectedResponse : closingResponse)
    }
  }
}

/** A result that JSON cannot hold (a BigInt, a cycle) becomes an error, so that no client waits. */
function toJson (message: { id?: unknown }): string {
  try {
    return JSON.stringify(message)
  } catch {
    return JSON.stringify(
      rpcError(message.id, rpcCode.internalError, 'The result cannot be written as JSON')
    )
  }
}

function toEvent (text: string): string {
  return `event: message\ndata: ${text}\n\n`
}
