/** How is a message in a response replaced, be it JSON or an event stream? */

import { Transform, pipeline } from 'node:stream'
import type { RpcMessage } from './parse.ts'
import type { McpResponse } from './types.ts'

/**
 * Returns a message, or another one in its place. Must not throw: it may run while the response is
 * being sent.
 */
export type MapMessage = (message: RpcMessage) => RpcMessage

/** Checks whether a content type is that of an event stream. */
export function isEventStream (type: string | null | undefined): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(type ?? '')
}

/** Passes every message of a response through `map`. Other bytes stay as they are. */
export function mapMessages (response: McpResponse, map: MapMessage): McpResponse {
  const { body, headers } = response
  if (typeof body === 'string') return { ...response, body: mapText(body, map) }
  if (body === null || !isEventStream(headers['content-type'])) return response
  // A reader that stops early destroys the source as well, which is no error.
  return { ...response, body: pipeline(body, eventMapper(map), () => {}) }
}

/**
 * Events may be large and arrive in many pieces. Only new text is searched for the end of an event,
 * together with the last three characters before it.
 */
function eventMapper (map: MapMessage): Transform {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let tail = ''
  return new Transform({
    transform (chunk: Uint8Array, _encoding, done) {
      const text = decoder.decode(chunk, { stream: true })
      const end = endOfEvents(tail + text) - tail.length
      const rest = end > 0 ? text.slice(end) : text
      tail = (end > 0 ? rest : tail + text).slice(-3)
      if (end <= 0) {
        pieces.push(rest)
        return done()
      }
      const events = [...pieces, text.slice(0, end)].join('').split(/(?<=\n\n|\r\n\r\n)/)
      pieces = [rest]
      done(null, events.map(event => mapEvent(event, map)).join(''))
    },
    flush (done) {
      done(null, mapEvent(pieces.join(''), map))
    }
  })
}

function endOfEvents (text: string): number {
  return Math.max(
    ...['\n\n', '\r\n\r\n'].map(end => text.includes(end) ? text.lastIndexOf(end) + end.length : 0)
  )
}

/** The data of an event may span several lines, which together are one message. */
function mapEvent (event: string, map: MapMessage): string {
  const lines = event.split(/\r?\n/)
  const isData = (line: string) => line.startsWith('data:')
  const text = lines.filter(isData).map(line => line.slice(5).replace(/^ /, '')).join('\n')
  const mapped = mapText(text, map)
  return mapped === text
    ? event
    : [...lines.filter(line => line !== '' && !isData(line)), `data: ${mapped}`, '', ''].join('\n')
}

function mapText (text: string, map: MapMessage): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text
  }
  const messages: unknown[] = Array.isArray(body) ? body : [body]
  const mapped = messages.map(message =>
    message === Object(message) ? map(message as RpcMessage) : message
  )
  if (mapped.every((message, index) => message === messages[index])) return text
  return JSON.stringify(Array.isArray(body) ? mapped : mapped[0])
}
