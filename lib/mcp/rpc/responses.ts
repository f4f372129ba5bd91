import { Transform, pipeline } from 'node:stream'
import type { McpResponse } from './types.ts'

/** A JSON-RPC message. */
export type RpcMessage = Readonly<Record<string, unknown>>

/**
 * Looks at a message, and returns it or another one in its place. Must not throw: it may run while
 * the answer is on its way.
 */
export type Look = (message: RpcMessage) => RpcMessage

/** Whether a content type is that of an event stream. */
export function isEventStream (type: string | null | undefined): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(type ?? '')
}

/**
 * Shows every message of an answer to `look`, whether the answer is JSON or an event stream. What
 * is not replaced stays byte for byte.
 */
export function mapMessages (answer: McpResponse, look: Look): McpResponse {
  const { body, headers } = answer
  if (typeof body === 'string') return { ...answer, body: mapText(body, look) }
  if (body === null || !isEventStream(headers['content-type'])) return answer
  // Whoever reads the result and leaves ends the source as well; that it ended is nobody's fault.
  return { ...answer, body: pipeline(body, eventMapper(look), () => {}) }
}

/**
 * Looks for the end of an event in what is new only, with as much before it as such an end is long:
 * events may be large, and come in many pieces.
 */
function eventMapper (look: Look): Transform {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let before = ''
  return new Transform({
    transform (chunk: Uint8Array, _encoding, done) {
      const text = decoder.decode(chunk, { stream: true })
      const end = endOfEvents(before + text) - before.length
      const events = end > 0
        ? [...pieces, text.slice(0, end)].join('').split(/(?<=\n\n|\r\n\r\n)/)
        : []
      const rest = end > 0 ? text.slice(end) : text
      if (end > 0) pieces = [rest]
      else pieces.push(rest)
      before = end > 0 ? rest.slice(-3) : (before + rest).slice(-3)
      done(null, events.map(event => mapEvent(event, look)).join(''))
    },
    flush (done) {
      done(null, mapEvent(pieces.join(''), look))
    }
  })
}

function endOfEvents (text: string): number {
  return Math.max(
    ...['\n\n', '\r\n\r\n'].map(end => text.includes(end) ? text.lastIndexOf(end) + end.length : 0)
  )
}

/** The data of an event may be on several lines; together they are one message. */
function mapEvent (event: string, look: Look): string {
  const lines = event.split(/\r?\n/)
  const isData = (line: string) => line.startsWith('data:')
  const text = lines.filter(isData).map(line => line.slice(5).replace(/^ /, '')).join('\n')
  const mapped = mapText(text, look)
  return mapped === text
    ? event
    : [...lines.filter(line => line !== '' && !isData(line)), `data: ${mapped}`, '', ''].join('\n')
}

function mapText (text: string, look: Look): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text
  }
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  const mapped = messages.map(message =>
    message === Object(message) ? look(message as RpcMessage) : message
  )
  if (mapped.every((message, index) => message === messages[index])) return text
  return JSON.stringify(Array.isArray(body) ? mapped : mapped[0])
}
