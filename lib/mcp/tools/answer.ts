/** How does the response of a route become the result of a tool? */

import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { largeAnswerBytes, maxToolErrorChars } from '../../limits.ts'
import { isTooDeep, parseJsonObject } from '../../util/json.ts'
import type { Answer } from './call.ts'
import type { Input } from './input.ts'
import type { Built } from './names.ts'
import { conforms } from './output.ts'
import { CallError } from './request.ts'

let turn: Promise<unknown> = Promise.resolve()

/**
 * Makes the result of a call. A response that is no success becomes a result with `isError`, in
 * words that a model can act on.
 */
export async function resultOf (
  { input, outputSchema }: Built,
  called: Promise<Answer>
): Promise<CallToolResult> {
  let answer: Answer
  try {
    answer = await called
  } catch (error) {
    if (error instanceof CallError) return errorResult(error.message)
    throw error
  }
  if (answer.status >= 300 || answer.body === null) return errorResult(explain(answer, input))
  // Text and its JSON are many times as large as the bytes: one such answer at a time is in memory.
  if (answer.body.length > largeAnswerBytes) await (turn = turn.then(() => setImmediate()))
  const content = contentOf(answer, answer.body)
  if (outputSchema === undefined) return { content: [content] }
  // Clients reject a result without structured content, and every schema accepts an empty one.
  const text = content.type === 'text' ? content.text : ''
  const value = parseShallow(text)
  const isValid = value !== null && conforms(value, outputSchema)
  // Clients that copy the object would set its prototype.
  if (isValid) Reflect.deleteProperty(value, '__proto__')
  return { content: [content], structuredContent: isValid ? value : {} }
}

function errorResult (text: string): CallToolResult {
  return { content: [{ type: 'text', text: text.slice(0, maxToolErrorChars) }], isError: true }
}

/** Deeper JSON exhausts the stack of code that copies or writes it. */
function parseShallow (text: string) {
  const value = parseJsonObject(text)
  return value === null || isTooDeep(text) ? null : value
}

/** The type of a body decides, not its bytes. */
function contentOf (answer: Answer, body: Buffer): CallToolResult['content'][number] {
  if (body.length === 0) return { type: 'text', text: `Done (${answer.status})` }
  const text = textOf(answer)
  if (text !== null) return { type: 'text', text }
  const mimeType = mediaTypeOf(answer)
  const [type] = mimeType.split('/')
  const data = body.toString('base64')
  return type === 'image' || type === 'audio'
    ? { type, data, mimeType }
    : { type: 'resource', resource: { uri: `route://${answer.url}`, mimeType, blob: data } }
}

/** The media type of a response. */
export function mediaTypeOf ({ headers: { 'content-type': type = '' } }: Answer) {
  return /^[^\s;]*/.exec(String(type))?.[0].toLowerCase() || 'application/octet-stream'
}

const utf8 = new TextDecoder()

/** The body as text in its charset; `null` if it is binary. */
export function textOf (answer: Answer) {
  const { headers: { 'content-type': type, 'content-encoding': coding }, body } = answer
  const isText = type === undefined
    ? body !== null && isUtf8(body)
    : /^text\/|[/+](json|xml|yaml|javascript|ndjson|x-ndjson)$/.test(mediaTypeOf(answer))
  if (body === null || coding !== undefined || !isText) return null
  const [, charset = 'utf-8'] = /charset="?([^";\s]+)/i.exec(String(type)) ?? []
  try {
    // To make one takes longer than to decode a short text.
    const decoder = /^utf-?8$/i.test(charset) ? utf8 : new TextDecoder(charset)
    return decoder.decode(body)
  } catch {
    return body.toString()
  }
}

/** Explains a response that is no success, in words that a model can act on. */
export function explain (answer: Answer, input: Input) {
  const { status, headers: { location, 'retry-after': delay }, body } = answer
  const sentences = [
    body === null ? 'The response is too large. Request less of it.' : messageOf(textOf(answer)),
    location && `The route redirects to ${location}.`,
    delay && `Retry after ${delay}${/^\d+$/.test(String(delay)) ? ' seconds' : ''}.`
  ].filter(Boolean)
  return [`HTTP ${status}`, renameArguments(sentences.join('\n'), input)].filter(Boolean).join(': ')
}

/** The message of an error in JSON (Fastify's, RFC 9457's or another), then its other members. */
function messageOf (text: string | null) {
  const members = parseShallow(text ?? '') ?? {}
  const { message, detail, title, error } = members
  const said = [message, detail, Object(error).message, title, error].find(item =>
    typeof item === 'string'
  )
  if (said === undefined) return text
  const others = JSON.stringify(members, (_name, item) => item === said ? undefined : item)
  return others === '{}' ? said : `${said}\n${others}`
}

/** The names that Fastify gives to the parts of a request. */
const parts = {
  path: 'params',
  wildcard: 'params',
  query: 'querystring',
  header: 'headers',
  body: 'body',
  file: 'body',
  wholeBody: ''
}

/** Replaces names of validation errors, such as `body/name`, by the names of arguments. */
function renameArguments (text: string, { places }: Input) {
  const names = new Map([...places].map(([argument, { in: place, name }]) => [
    `${parts[place]}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    argument
  ]))
  return text
    .replace(/\b(\w+) must have required property '([^']+)'/g, (whole, part, name) => {
      const argument = names.get(`${part}/${name}`)
      return argument === undefined ? whole : `${argument} is missing`
    })
    .replace(/\b\w+\/[^\s/"',;]+/g, path => names.get(path) ?? path)
}
