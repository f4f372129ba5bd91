/** How is the body of a route sent, and which arguments does it have? */

import { isPlainObject } from '../../util/json.ts'
import { type Reader, isAnnotation, words } from './json-schema.ts'
import { type Members, collectMembers, listArguments } from './members.ts'
import { type JsonSchema, type Located, partOf, rootOf, typesOf } from './references.ts'

/** Bodies that a tool can send. */
const bodyTypes = {
  'application/json': 'json',
  'application/x-www-form-urlencoded': 'form',
  'multipart/form-data': 'multipart'
} as const

const listKeywords = words(
  '$id $schema $comment $defs definitions type properties required additionalProperties'
)

const anyJson = { type: ['object', 'array'], description: 'The body of the request, as JSON' }

const noBody = { bodyType: null, args: [], rest: false }

/** A file as an argument. */
const file: JsonSchema = {
  type: 'object',
  properties: {
    filename: { type: 'string' },
    mediaType: { type: 'string' },
    data: { type: 'string', contentEncoding: 'base64' }
  },
  required: ['data']
}

/**
 * Returns the arguments of a body, and whether it may have further members. A form is always a list
 * of members. JSON that is anything else becomes the single argument `body`.
 *
 * @throws {Error} with a sentence about the route, if a tool cannot send its body
 */
export function readBody ({ body, consumes }: JsonSchema, method: string, reader: Reader) {
  const { content } = Object(body)
  const forms = isPlainObject(content)
    ? Object.entries(content).map(([name, media]) => [name, Object(media).schema] as const)
    : [consumes ?? []].flat().map(name => [String(name), body] as const)
  const isDescribed = (body ?? null) !== null
  if (!isDescribed && !['POST', 'PUT', 'PATCH'].includes(method)) return noBody
  const { declared, schema = body } = chooseForm(forms)
  if (!isDescribed && (declared ?? 'json') === 'json') {
    return { ...noBody, bodyType: 'json' as const, args: [wholeBody(anyJson)] }
  }
  const located = reader.locate(schema ?? (declared === 'form' ? {} : anyUpload))
  const members = collectMembers(located, reader)
  const files = declared === 'json' || declared === 'form'
    ? new Set<string>()
    : readParts(members, declared === 'multipart', reader)
  const bodyType = declared ?? (files.size > 0 ? 'multipart' : 'json')
  if (bodyType === 'json' && !isListOfMembers(reader.follow(located).schema)) {
    return { bodyType, args: [wholeBody(reader.convert(located))], rest: false }
  }
  const args = listArguments(members, reader).map(member => ({
    ...member,
    place: files.has(member.name) ? 'file' as const : 'body' as const
  }))
  return { bodyType, args, rest: members.rest }
}

function wholeBody (schema: JsonSchema) {
  const required = schema !== anyJson && !typesOf(schema, {})?.includes('null')
  return { place: 'wholeBody' as const, name: 'body', schema, required }
}

/** An upload without a schema. Handlers mostly take its first file, whatever the name. */
const anyUpload = { properties: { file: { isFile: true } } }

/** Chooses among the media types of a body and their schemas. */
function chooseForm (forms: ReadonlyArray<readonly [mediaType: string, schema: unknown]>) {
  for (const [mediaType, declared] of Object.entries(bodyTypes)) {
    const form = forms.find(([name]) => name.split(';')[0]?.trim().toLowerCase() === mediaType)
    if (form) return { declared, schema: form[1] }
  }
  if (forms.length === 0) return {}
  const names = forms.map(([name]) => name).join(' or ')
  throw new Error(`it is ${names}, which a tool cannot send. Let the route accept application/json`)
}

/** Checks whether a schema is fully described by the list of its members. */
function isListOfMembers (schema: unknown) {
  return isPlainObject(schema) && isPlainObject(schema.properties) &&
    (schema.type === undefined || schema.type === 'object') &&
    Object.keys(schema).every(keyword => listKeywords.has(keyword) || isAnnotation(keyword))
}

/** Replaces the schemas of files and of fields in a form by those of arguments. */
function readParts ({ properties }: Members, isForm: boolean, reader: Reader) {
  const files = new Set<string>()
  for (const [name, { schemas: [first] }] of properties) {
    const member = first && reader.follow(first)
    if (member === undefined) continue
    const { type, items, properties: { value } = {}, description } = Object(member.schema)
    const isList = type === 'array'
    const { schema } = isList ? reader.follow(partOf(member, items)) : member
    const replace = (part: Located) => properties.set(name, { keyword: 'allOf', schemas: [part] })
    if (isFile(schema, isForm)) {
      files.add(name)
      replace(rootOf(isList ? { type, items: file, description } : { ...file, description }))
      // `attachFieldsToBody` makes an object of each field.
    } else if (isForm && value !== undefined) replace(partOf(member, value))
  }
  return files
}

/** Recognises files in the forms of @fastify/multipart and of OpenAPI. */
function isFile (schema: unknown, isForm: boolean) {
  const { isFile, type, format, contentMediaType, properties } = Object(schema)
  // With `attachFieldsToBody: 'keyValues'`, a file is an object without properties.
  const isOpaque = type === 'object' && properties === undefined
  return isFile === true || format === 'binary' ||
    (isForm && (isOpaque || (contentMediaType ?? properties?.mimetype) !== undefined))
}
