/** How are the messages of a response read and replaced, be it JSON or an event stream? */

import { randomUUID } from 'node:crypto'
import { Readable, Transform, addAbortSignal, pipeline } from 'node:stream'
import { Cancellation } from '../../util/cancellation.ts'
import type { McpRequest, McpResponse, RpcMessage, ScopelessEndpoint } from './messages.ts'

/**
 * Returns a message, or another one in its place. Must not throw for a stream: it runs while the
 * response is being sent.
 */
type MapMessage = (message: RpcMessage) => RpcMessage | Promise<RpcMessage>

/** Checks whether a content type is that of an event stream. */
export function isEventStream (type: string | null | undefined) {
  return /^text\/event-stream\s*(?:;|$)/i.test(type ?? '')
}

/** Passes every message of a response through `map`. Other bytes stay as they are. */
export async function mapMessages (response: McpResponse, map: MapMessage) {
  const { body, headers } = response
  if (typeof body === 'string') return { ...response, body: await mapText(body, map) }
  if (body === null || !isEventStream(headers['content-type'])) return response
  // A reader that stops early destroys the source as well, which is no error.
  return { ...response, body: pipeline(body, eventMapper(map), () => {}) }
}

/**
 * Events may be large and arrive in many pieces. Only new text is searched for the end of an event,
 * together with the last three characters before it.
 */
function eventMapper (map: MapMessage) {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let tail = ''
  return new Transform({
    transform (chunk: Uint8Array, _encoding, done) {
      const text = decoder.decode(chunk, { stream: true })
      const [events = ''] = /^[^]*(?:\n\n|\r\n\r\n)/.exec(tail + text) ?? []
      const end = events.length - tail.length
      if (end <= 0) {
        tail = (tail + text).slice(-3)
        pieces.push(text)
        return done()
      }
      const whole = [...pieces, text.slice(0, end)].join('').split(/(?<=\n\n|\r\n\r\n)/)
      pieces = [text.slice(end)]
      tail = text.slice(end).slice(-3)
      mapEvents(whole, map).then(mapped => done(null, mapped), done)
    },
    flush (done) {
      mapEvents([pieces.join('')], map).then(mapped => done(null, mapped), done)
    }
  })
}

async function mapEvents (events: string[], map: MapMessage) {
  return (await Promise.all(events.map(event => mapEvent(event, map)))).join('')
}

/** The data of an event may span several lines, which together are one message. */
async function mapEvent (event: string, map: MapMessage) {
  const lines = event.split(/\r?\n/)
  const isData = (line: string) => line.startsWith('data:')
  const text = lines.filter(isData).map(line => line.slice(5).replace(/^ /, '')).join('\n')
  const mapped = await mapText(text, map)
  return mapped === text
    ? event
    : [...lines.filter(line => line !== '' && !isData(line)), `data: ${mapped}`, '', ''].join('\n')
}

async function mapText (text: string, map: MapMessage) {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text
  }
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  const mapped = await Promise.all(
    messages.map(message => message === Object(message) ? map(message as RpcMessage) : message)
  )
  if (mapped.every((message, index) => message === messages[index])) return text
  return JSON.stringify(Array.isArray(body) ? mapped : mapped[0])
}

/**
 * Sends a server a JSON-RPC request of our own with the credentials of a caller.
 *
 * @param handle the server
 * @param caller the request of the caller
 * @param signal cancels the request. Default: the signal of the caller's request
 * @param notify receives the notifications that precede the response
 * @returns the JSON-RPC response, if there is one, and the HTTP response around it
 * @throws the fault of the server, or the reason of the signal
 */
export async function sendInternalRequest (
  handle: ScopelessEndpoint['handle'],
  caller: McpRequest,
  { method, params, headers, signal, notify = () => {} }: {
    method: string
    params: object
    headers: McpRequest['headers']
    signal?: AbortSignal
    notify?: (message: RpcMessage) => unknown
  }
) {
  const id = randomUUID()
  const body = { jsonrpc: '2.0', id, method, params }
  const rawBody = JSON.stringify(body)
  const accept = 'application/json, text/event-stream'
  const replies: RpcMessage[] = []
  const cancellation = signal === undefined ? caller.cancellation : Cancellation.from(signal)
  const request = {
    ...caller,
    headers: { ...headers, accept },
    body,
    rawBody,
    parsed: undefined,
    cancellation
  }
  const response = await mapMessages(await untilAborted(handle(request), cancellation), message => {
    if (typeof message.method === 'string') notify(message)
    else replies.push(message)
    return message
  })
  if (response.body instanceof Readable) {
    // Messages are mapped as the stream is read. The rest of the stream is discarded.
    const chunks = addAbortSignal(cancellation.signal, response.body)[Symbol.asyncIterator]()
    try {
      while (replies.length === 0 && !(await chunks.next()).done);
    } catch {
      // The messages before the stream broke off still count.
    } finally {
      response.body.destroy()
    }
  }
  const { result, error } = Object(replies[0]) as {
    result?: unknown
    error?: { code: number, message: string, data?: unknown }
  }
  return { response, id, result, error }
}

/** Some servers ignore the signal. Their late response is discarded. */
function untilAborted (
  response: Promise<McpResponse>,
  cancellation: Cancellation
): Promise<McpResponse> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      reject(cancellation.signal.reason)
      response.then(({ body }) => {
        if (body instanceof Readable) body.destroy()
      }, () => {})
    }
    cancellation.add(stop)
    response.then(resolve, reject).finally(() => cancellation.remove(stop))
  })
}
