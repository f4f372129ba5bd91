/** How does a request reach the routes of the app without a connection? */

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'

/** A request. Header names are lower-case. */
export interface LocalRequest {
  method: string
  url: string
  headers: Record<string, string | string[]>
  body: string | Buffer | null
  remoteAddress: string
}

/** A response. Its body is `null` if it exceeds the limit. */
export interface LocalResponse {
  status: number
  headers: Readonly<Record<string, unknown>>
  body: Buffer | null
  /** Whether the response was sent to its end. */
  isComplete: boolean
}

/** Takes the place of the connection, and keeps the body of the response. */
class Connection extends Writable {
  readonly remoteAddress: string
  readonly chunks: Buffer[] = []
  response: ServerResponse | undefined
  left: number

  constructor (remoteAddress: string, limit: number) {
    super()
    this.remoteAddress = remoteAddress
    this.left = limit
    // Routes may destroy their response with an error.
    this.on('error', () => {})
    this.on('drain', () => this.response?.emit('drain'))
  }

  override _write (chunk: Buffer, _encoding: unknown, done: () => void) {
    // Informational responses precede the headers, which are one chunk, maybe with a body.
    if (this.response?.headersSent) this.#keep(chunk)
    done()
  }

  #isBody = false

  #keep (chunk: Buffer) {
    const start = this.#isBody ? 0 : chunk.indexOf('\r\n\r\n') + 4
    this.#isBody = true
    this.left -= chunk.length - start
    if (this.left < 0) this.destroy()
    else if (start < chunk.length) this.chunks.push(chunk.subarray(start))
  }

  setTimeout () {
    return this
  }
}

/** Unlike that of Node.js, it is not closed once its body was read: a route must see an abort. */
class PlainRequest extends Readable {
  readonly httpVersion = '1.1'
  readonly httpVersionMajor = 1
  readonly httpVersionMinor = 1
  readonly complete = true
  readonly trailers = {}
  aborted = false
  readonly rawHeaders: string[]
  readonly socket: Connection

  readonly method: string
  readonly url: string
  readonly headers: LocalRequest['headers']

  constructor (
    { method, url, headers }: Pick<LocalRequest, 'method' | 'url' | 'headers'>,
    socket: Connection
  ) {
    super({ autoDestroy: false })
    this.method = method
    this.url = url
    this.headers = headers
    this.socket = socket
    this.rawHeaders = []
    for (const name in headers) {
      const value = headers[name] as string | string[]
      if (typeof value === 'string') this.rawHeaders.push(name, value)
      else for (const item of value) this.rawHeaders.push(name, item)
    }
  }

  override _read () {}

  get connection () {
    return this.socket
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void) {
    this.socket.destroy()
    done(this.listenerCount('error') > 0 ? error : null)
  }
}

/** Sends the body as it is once the headers are written: no chunks, no trailers after them. */
class PlainResponse extends ServerResponse {
  isChunked = false
}
Object.defineProperty(PlainResponse.prototype, 'chunkedEncoding', {
  get (this: PlainResponse) {
    return this.isChunked && !this.headersSent
  },
  set (this: PlainResponse, isChunked: boolean) {
    this.isChunked = isChunked
  }
})

/**
 * Runs hooks, validation, handler and serialization of a route as for a request over HTTP.
 *
 * @param limit bytes of the body. A longer response is ended
 */
export function requestLocally (
  instance: FastifyInstance,
  { method, url, headers, body, remoteAddress }: LocalRequest,
  limit: number
): Promise<LocalResponse> {
  const connection = new Connection(remoteAddress, limit)
  const request = new PlainRequest(
    { method, url, headers },
    connection
  ) as unknown as IncomingMessage
  if (body?.length) request.push(body)
  request.push(null)

  const response = new PlainResponse(request)
  connection.response = response
  // Node.js keeps headers that are written at once only if there were some before.
  response.setHeader('x', '')
  response.removeHeader('x')
  response.assignSocket(connection as unknown as Socket)
  return new Promise((resolve) => {
    const settle = (isComplete: boolean) =>
      resolve({
        status: response.headersSent ? response.statusCode : 0,
        headers: response.getHeaders(),
        body: connection.left < 0 ? null : Buffer.concat(connection.chunks),
        isComplete
      })
    connection.once('close', () => settle(false))
    response.once('finish', () => {
      settle(true)
      process.nextTick(() => {
        // As Node.js does after each response on a connection that stays open.
        Object.assign(response, { destroyed: true, _closed: true })
        response.emit('close')
      })
    })
    instance.routing(request, response)
  })
}
