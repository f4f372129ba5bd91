import { Readable, Transform, pipeline } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { McpAnswer } from './call.ts'

/** A JSON-RPC message. */
export type RpcMessage = Readonly<Record<string, unknown>>

/** Looks at a message, and returns it or another one in its place. Must not throw: it may run while the answer is on its way. */
export type Look = (message: RpcMessage) => RpcMessage

/** Shows every message of an answer to `look`, whether the answer is JSON or an event stream. What is not replaced stays byte for byte. */
export function mapMessages (answer: McpAnswer, look: Look): McpAnswer {
  const { body, headers } = answer
  if (typeof body === 'string') return { ...answer, body: mapText(body, look) }
  if (body === null || headers['content-type']?.startsWith('text/event-stream') !== true) return answer
  const source = body instanceof Readable ? body : Readable.fromWeb(body as ReadableStream)
  // Whoever reads the result and leaves ends the source as well; that it ended is nobody's fault.
  return { ...answer, body: pipeline(source, eventMapper(look), () => {}) }
}

function eventMapper (look: Look): Transform {
  const decoder = new TextDecoder()
  let rest = ''
  return new Transform({
    transform (chunk: Uint8Array, _encoding, done) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split(/(?<=\n\n|\r\n\r\n)/)
      rest = /\n\r?\n$/.test(events.at(-1) ?? '') ? '' : events.pop() ?? ''
      done(null, events.map(event => mapEvent(event, look)).join(''))
    },
    flush (done) {
      done(null, mapEvent(rest, look))
    }
  })
}

/** The data of an event may be on several lines; together they are one message. */
function mapEvent (event: string, look: Look): string {
  const lines = event.split(/\r?\n/)
  const isData = (line: string) => line.startsWith('data:')
  const text = lines.filter(isData).map(line => line.slice(5).replace(/^ /, '')).join('\n')
  const mapped = mapText(text, look)
  return mapped === text ? event : [...lines.filter(line => line !== '' && !isData(line)), `data: ${mapped}`, '', ''].join('\n')
}

function mapText (text: string, look: Look): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text
  }
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  const mapped = messages.map(message => message === Object(message) ? look(message as RpcMessage) : message)
  if (mapped.every((message, index) => message === messages[index])) return text
  return JSON.stringify(Array.isArray(body) ? mapped : mapped[0])
}
