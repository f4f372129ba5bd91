import { PassThrough } from 'node:stream'
import {
  type McpResponse,
  emptyResponse,
  goneStatus,
  jsonHeaders,
  rpcCode,
  rpcFailure
} from '../rpc/types.ts'

/**
 * Bytes of notifications that may wait for a slow reader; further ones are dropped until it has
 * caught up.
 */
const streamBuffer = 1024 * 1024

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no'
}

export interface PendingResponseOptions {
  /** How many requests await a reply. */
  expected: number
  batch: boolean
  /** Whether the client takes `text/event-stream`. */
  streams: boolean
  /** Called once, when the last reply was given or the exchange was ended. */
  onEnd: () => void
}

/**
 * One HTTP answer in the making: JSON, unless a notification has to be told before the last reply
 * is there.
 */
export interface PendingResponse {
  answer: Promise<McpResponse>
  /** Settles one request; `null` for a request that gets no reply because it was cancelled. */
  reply(message: object | null): void
  /** Passes a notification on, if the client can take one. */
  notify(message: object): void
  /** Ends everything at once: the client is `gone`, or the server is `closing`. */
  end(why: 'gone' | 'closing'): void
}

/** Starts an exchange. */
export function createPendingResponse (
  { expected, batch, streams, onEnd }: PendingResponseOptions
): PendingResponse {
  const replies: string[] = []
  let stream: PassThrough | undefined
  let open = expected
  let settle!: (answer: McpResponse) => void
  const answer = new Promise<McpResponse>((resolve) => {
    settle = resolve
  })

  function finish (whole: McpResponse): void {
    open = 0
    onEnd()
    if (stream === undefined) settle(whole)
    else if (!stream.destroyed) stream.end()
  }

  return {
    answer,

    reply (message) {
      if (open === 0) return
      if (message !== null) {
        const text = written(message)
        if (stream === undefined) replies.push(text)
        else stream.write(event(text))
      }
      open--
      if (open > 0) return
      // What was cancelled has no reply: nothing is left to say then.
      finish(
        replies.length === 0
          ? emptyResponse(202)
          : {
            status: 200,
            headers: { ...jsonHeaders },
            body: batch ? `[${replies.join()}]` : replies.join()
          }
      )
    },

    notify (message) {
      if (open === 0 || !streams) return
      if (stream === undefined) {
        stream = new PassThrough({ highWaterMark: streamBuffer })
        for (const reply of replies) stream.write(event(reply))
        settle({ status: 200, headers: { ...streamHeaders }, body: stream })
      }
      if (!stream.writableNeedDrain) stream.write(event(JSON.stringify(message)))
    },

    end (why) {
      if (open === 0) return
      // With no reader left the stream would never come to its end by itself.
      if (why === 'gone') stream?.destroy()
      finish(
        why === 'gone'
          ? emptyResponse(goneStatus)
          : rpcFailure(503, rpcCode.unavailable, 'The server is closing')
      )
    }
  }
}

/**
 * What JSON cannot hold (a BigInt, a cycle) is an error like any other: whoever asked must not wait
 * for ever.
 */
function written (message: { id?: unknown }): string {
  try {
    return JSON.stringify(message)
  } catch {
    return JSON.stringify({
      jsonrpc: '2.0',
      id: message.id,
      error: { code: rpcCode.internalError, message: 'The result cannot be written as JSON' }
    })
  }
}

function event (text: string): string {
  return `event: message\ndata: ${text}\n\n`
}
