/** How do we send the server a request of our own, on behalf of a caller? */

import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable, addAbortSignal } from 'node:stream'
import type { RpcMessage } from './parse.ts'
import { mapMessages } from './responses.ts'
import type { McpRequest, McpResponse, ScopelessEndpoint } from './types.ts'

interface InternalRequest {
  method: string
  params: object
  headers: IncomingHttpHeaders
  /** Cancels the request. Default: the signal of the caller's request. */
  signal?: AbortSignal
  /** Receives the notifications that precede the response. */
  notify?: (message: RpcMessage) => unknown
}

/** The JSON-RPC response, if there is one, and the HTTP response around it. */
interface InternalResponse {
  result?: unknown
  error?: { code: number, message: string, data?: unknown }
  response: McpResponse
  id: string
}

/**
 * Sends a server a JSON-RPC request with the credentials of a caller.
 *
 * @param handle the server
 * @param caller the request of the caller
 * @returns the response
 * @throws the fault of the server, or the reason of the signal
 */
export async function sendInternalRequest (
  handle: ScopelessEndpoint['handle'],
  caller: McpRequest,
  { method, params, headers, signal = caller.signal, notify = () => {} }: InternalRequest
): Promise<InternalResponse> {
  const id = randomUUID()
  const body = { jsonrpc: '2.0', id, method, params }
  const replies: RpcMessage[] = []
  const response = mapMessages(
    await untilAborted(
      handle({ ...caller, headers, body, rawBody: JSON.stringify(body), signal }),
      signal
    ),
    message => {
      if (typeof message.method === 'string') notify(message)
      else replies.push(message)
      return message
    }
  )
  if (response.body instanceof Readable) {
    // Messages are mapped as the stream is read. The rest of the stream is discarded.
    const chunks = addAbortSignal(signal, response.body)[Symbol.asyncIterator]()
    try {
      while (replies.length === 0 && !(await chunks.next()).done);
    } catch {
      // The messages before the stream broke off still count.
    } finally {
      response.body.destroy()
    }
  }
  const { result, error } = Object(replies[0]) as Pick<InternalResponse, 'result' | 'error'>
  return { response, id, result, ...(error !== undefined && { error }) }
}

/** Some servers ignore the signal. Their late response is discarded. */
function untilAborted (response: Promise<McpResponse>, signal: AbortSignal): Promise<McpResponse> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(signal.reason)
      response.then(({ body }) => {
        if (body instanceof Readable) body.destroy()
      }, () => {})
    }
    signal.addEventListener('abort', stop, { once: true })
    response.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
