/** How do the arguments of a tool become a request to its route? */

import { maxHeaderSize } from 'node:http'
import { quoted } from '../../errors.ts'
import { maxFormNameChars, maxListedNames } from '../../limits.ts'
import type { Input, Place } from './input.ts'
import { type PathPart, fillPath } from './path.ts'
import { typeOf } from './references.ts'

/** A call that cannot be made or answered. Its message is for the model. */
export class CallError extends Error {}

interface Body {
  type: string
  content: string
}

/** An argument, and where it goes. */
interface SentArgument extends Place {
  argument: string
  value: unknown
}

/**
 * Builds the request of a route. Values are sent as an HTTP client would send them; the route
 * validates them.
 *
 * @throws {CallError} with a sentence that names the argument
 */
export function buildRequest (path: PathPart[], input: Input, args: Record<string, unknown>) {
  const { places, rest, bodyType } = input
  if (areBody(input, args)) {
    return { url: pathOf(path, [], input), headers: headersOf([]), body: jsonBody(args) }
  }
  // A policy that reads `filter` must not be evaded by `filter[]`, or by the name that was renamed.
  const keyOf = rest === 'query' || bodyType !== 'json' ? baseOf : String
  const others = Object.keys(args).filter(name => !places.has(name))
  const listed = new Set(
    others.length === 0 || rest === null
      ? []
      : [...places.values()].flatMap(({ in: place, name }) =>
        (place === 'file' ? 'body' : place) === rest ? keyOf(name) : []
      )
  )
  const unknown = others.filter(name => rest === null || listed.has(keyOf(name)))
  if (unknown.length > 0) {
    const known = namesOf([...places.keys()]) || 'none'
    throw new CallError(`Unknown arguments: ${namesOf(unknown)}. The tool has: ${known}.`)
  }
  const outside: SentArgument[] = []
  const members: SentArgument[] = []
  for (const [argument, value] of Object.entries(args)) {
    const place = places.get(argument) ?? { in: rest ?? 'body', name: argument, types: null }
    checkType(argument, value, place)
    const { in: part, name, types } = place
    ;(isOfBody(part) ? members : outside).push({ in: part, name, types, argument, value })
  }
  const query = encodeForm(outside.filter(({ in: place }) => place === 'query'))
  const url = pathOf(path, outside, input) + (query && `?${query}`)
  const headers = headersOf(outside)
  // Inject has no limit, but HTTP has this one.
  if (outside.length > 0 && url.length + JSON.stringify(headers).length > maxHeaderSize) {
    const names = namesOf(outside.map(({ argument }) => argument))
    throw new CallError(`Arguments are too long for a URL or a header: ${names}.`)
  }
  return { url, headers, body: bodyOf(input, members) }
}

/** Whether the arguments are the members of the body, as they are. */
function areBody ({ places, rest, bodyType }: Input, args: Record<string, unknown>) {
  if (bodyType !== 'json' || rest !== 'body') return false
  for (const [argument, place] of places) {
    if (place.in !== 'body' || place.name !== argument) return false
    if (Object.hasOwn(args, argument)) checkType(argument, args[argument], place)
  }
  return true
}

/** Whether an argument is in the body of the request. */
function isOfBody (place: Place['in']) {
  return place === 'body' || place === 'wholeBody' || place === 'file'
}

/** The member that a name in a query or form is about: `a` for `a[b]`, `[a]` and `a.b`. */
function baseOf (name: string) {
  return /[^[\].]+/.exec(name)?.[0] ?? name
}

function namesOf (names: string[]) {
  const more = names.length > maxListedNames ? ', …' : ''
  return names.slice(0, maxListedNames).map(quoted).join(', ') + more
}

function reject (argument: string | undefined, problem: string): never {
  throw new CallError(`The argument ${quoted(argument)} ${problem}.`)
}

/**
 * Refuses plain values for lists and objects: Fastify would wrap them into a list. JSON text is not
 * parsed either, as a policy has decided by the text.
 */
function checkType (argument: string, value: unknown, { in: place, types }: Place) {
  const isAbsent = value === null && !/body/i.test(place)
  if (isAbsent || types?.every(type => /array|object|null/.test(type)) !== true) return
  if (types.includes(typeOf(value))) return
  if (place === 'file' && types.includes('object')) reject(argument, fileForm)
  reject(argument, `must be of type ${types.join(' or ')}`)
}

function pathOf (parts: PathPart[], sent: SentArgument[], { places }: Input) {
  const isInPath = ({ in: place }: Place) => place === 'path' || place === 'wildcard'
  const values = Object.fromEntries(
    sent.filter(isInPath).map(({ name, value }) => [name, value ?? undefined])
  )
  const path = fillPath(parts, values)
  if (path !== null) return path
  const invalid = Object(parts.find(part => fillPath([part], values) === null))
  const [argument] =
    [...places].find(([, place]) => isInPath(place) && place.name === invalid.name) ?? []
  reject(argument, 'is missing, or cannot be part of a path')
}

/**
 * Writes arguments as a query or a form. Lists are repeated; an object has brackets, where its
 * schema takes objects.
 */
function encodeForm (sent: SentArgument[]) {
  if (sent.length === 0) return ''
  const form = new URLSearchParams()
  const count = createNameCount()
  for (const { argument, name, types, value } of sent) {
    append(name, value, () => types?.includes('object') || reject(argument, 'must not be nested'))
  }
  // Every parser understands this form of a space.
  return form.toString().replaceAll('+', '%20')

  function append (name: string, value: unknown, nest: () => unknown, isMember = false) {
    if (value === null || value === undefined) return
    if (Object(value) !== value) {
      count(name)
      return form.append(name, String(value))
    }
    if (isMember || !Array.isArray(value)) nest()
    for (const [key, item] of Object.entries(value as object)) {
      const isPlain = Array.isArray(value) && Object(item) !== item
      // The parser would read another member than the one a policy has seen.
      if (/[[\]]/.test(key)) throw new CallError(`The name ${quoted(key)} must have no brackets.`)
      // Inside an object, a list of one item needs the brackets to be a list.
      append(isPlain ? isMember ? `${name}[]` : name : `${name}[${key}]`, item, nest, true)
    }
  }
}

/** A long name of a long list would become text of gigabytes. */
function createNameCount () {
  let left = maxFormNameChars
  return (name: string) => {
    left -= name.length
    if (left < 0) throw new CallError('The names of the arguments are too long for their lists.')
  }
}

/** HTTP clients refuse other characters, and servers remove the space around a value. */
function headersOf (sent: SentArgument[]) {
  const headers: Record<string, string | string[]> = {}
  for (const { argument, in: place, name, value } of sent) {
    if (place !== 'header' || value === null) continue
    const text = String(value)
    if (Object(value) === value || /[^\t\x20-\x7e\x80-\xff]/.test(text)) {
      reject(argument, 'cannot be a header')
    }
    headers[name.toLowerCase()] = /^[ \t]*(|.*[^ \t])[ \t]*$/.exec(text)?.[1] ?? ''
  }
  return headers
}

/** The body in the type that the route reads, `null` for a request without one. */
function bodyOf ({ places, bodyType }: Input, members: SentArgument[]): Body | FormData | null {
  const [first] = members
  const isLeftOut = () => [...places.values()].some(({ in: place }) => place === 'wholeBody')
  if (bodyType === null || (first === undefined && isLeftOut())) return null
  if (bodyType === 'multipart') return filesOf(members)
  if (bodyType === 'form') {
    return { type: 'application/x-www-form-urlencoded', content: encodeForm(members) }
  }
  return jsonBody(
    first?.in === 'wholeBody'
      ? first.value
      : Object.fromEntries(members.map(({ name, value }) => [name, value]))
  )
}

function jsonBody (value: unknown): Body {
  return { type: 'application/json', content: toJson(value) }
}

/** `1e999` is no number of JSON: it would become `null`. */
function toJson (value: unknown) {
  const text = JSON.stringify(value)
  // Not with a replacer, which takes longer than all the rest.
  if (text?.includes('null')) rejectInfinite('', value)
  return text
}

function rejectInfinite (name: string, value: unknown) {
  if (value === Infinity || value === -Infinity) reject(name, 'is too large')
  for (const [key, item] of Object.entries(Object(value) === value ? value as object : {})) {
    rejectInfinite(key, item)
  }
}

function filesOf (sent: SentArgument[]) {
  const form = new FormData()
  const count = createNameCount()
  for (const { argument, in: place, name, value } of sent) {
    for (const item of [value].flat()) {
      count(name)
      if (place === 'file') form.append(name, fileOf(argument, item))
      else if (item !== null) form.append(name, Object(item) === item ? toJson(item) : String(item))
    }
  }
  return form
}

/** Writes a form with files. Its boundary is random, so it cannot occur in the content. */
export async function encodeFiles (form: FormData) {
  const encoded = new Response(form)
  return {
    type: encoded.headers.get('content-type') ?? '',
    content: Buffer.from(await encoded.arrayBuffer())
  }
}

const fileForm = 'must be a file: { filename, mediaType, data }, with data in base64'

/** Name and type go into headers. The limit of MCP bodies bounds the bytes: base64 is longer. */
function fileOf (argument: string, value: unknown) {
  const { data, mediaType = 'application/octet-stream', filename = 'file' } = Object(value)
  const areTexts = [data, mediaType, filename].every(text => typeof text === 'string')
  const bytes = Buffer.from(areTexts ? data : '', 'base64')
  const isBase64 = bytes.toString('base64').replace(/=+$/, '') === `${data}`.replace(/={0,2}$/, '')
  const isType = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/.test(mediaType)
  if (areTexts && isBase64 && isType && /^[\w.-]{1,128}$/.test(filename)) {
    return new File([bytes], filename, { type: mediaType })
  }
  reject(argument, fileForm)
}
