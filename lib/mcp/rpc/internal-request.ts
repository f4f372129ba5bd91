import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { type RpcMessage, mapMessages } from './responses.ts'
import type { McpResponse, McpRequest, ScopelessEndpoint } from './types.ts'

/** What is asked of a server in the middle of a call. */
export interface InternalRequest {
  method: string
  params: object
  headers: IncomingHttpHeaders
  /** Gives up. Defaults to the end of the call. */
  signal?: AbortSignal
  /** Told what the server says before it answers. */
  notify?: (message: RpcMessage) => unknown
}

/** What came back: the reply, if there is one, and the HTTP answer it came in. */
export interface InternalResponse {
  result?: unknown
  error?: { code: number, message: string, data?: unknown }
  answer: McpResponse
  id: string
}

/**
 * Asks the server behind something of our own, as the caller of `call` would. Rejects as the server
 * does.
 */
export async function sendInternalRequest (
  handle: ScopelessEndpoint['handle'],
  call: McpRequest,
  { method, params, headers, signal = call.signal, notify = () => {} }: InternalRequest
): Promise<InternalResponse> {
  const id = randomUUID()
  const body = { jsonrpc: '2.0', id, method, params }
  const replies: RpcMessage[] = []
  const answer = mapMessages(
    await whileWanted(
      handle({ ...call, headers, body, rawBody: JSON.stringify(body), signal }),
      signal
    ),
    message => {
      if (typeof message['method'] === 'string') notify(message)
      else replies.push(message)
      return message
    }
  )
  if (answer.body instanceof Readable) {
    await readUntil(answer.body, () => replies.length > 0, signal)
  }
  const { result, error } = Object(replies[0]) as Pick<InternalResponse, 'result' | 'error'>
  return {
    answer,
    id,
    ...(result !== undefined && { result }),
    ...(error !== undefined && { error })
  }
}

/** Not every server hears that nobody waits any more. What it says after all is let go. */
function whileWanted (answer: Promise<McpResponse>, signal: AbortSignal): Promise<McpResponse> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(signal.reason)
      answer.then(({ body }) => {
        if (body instanceof Readable) body.destroy()
      }, () => {})
    }
    signal.addEventListener('abort', stop, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/**
 * Messages of a stream are seen as they are read. Whatever is not needed any more, or by anyone, is
 * let go.
 */
async function readUntil (
  stream: Readable,
  enough: () => boolean,
  signal: AbortSignal
): Promise<void> {
  const stop = () => {
    stream.destroy()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const chunks = stream[Symbol.asyncIterator]()
    while (!signal.aborted && !enough() && !(await chunks.next()).done);
  } catch {
    // A stream that breaks off has said what it has said.
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
}
