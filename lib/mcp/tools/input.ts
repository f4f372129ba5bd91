/** Which arguments does a tool have, and where does its route expect them? */

import { isPlainObject } from '../../util/json.ts'
import { type JsonSchema, inlineSchema } from './json-schema.ts'
import type { PathPart } from './path.ts'

/** A Fastify route schema. Plugins may replace the types of its members. */
export type RouteSchema = Readonly<Record<string, unknown>>

/** Where an argument is sent. `wholeBody` is the body itself, `body` one member of it. */
export type Place = 'path' | 'query' | 'body' | 'wholeBody'

/** The arguments of a tool. */
export interface ToolInput {
  inputSchema: JsonSchema & { type: 'object' }
  places: ReadonlyMap<string, Place>
}

/** The shared schemas of a Fastify scope, by `$id`. */
export type SharedSchemas = Readonly<Record<string, unknown>>

interface Argument {
  name: string
  schema: unknown
  place: Place
  required: boolean
}

/**
 * Builds one input schema from a route's params, querystring and body. A body that is more than a
 * list of members becomes the single argument `body`.
 *
 * @throws {Error} with a sentence about the route
 */
export function buildInput (
  schema: RouteSchema,
  path: readonly PathPart[],
  shared: SharedSchemas
): ToolInput {
  const properties: JsonSchema = {}
  const required: string[] = []
  const places = new Map<string, Place>()
  for (const argument of argumentsOf(schema, path, shared)) {
    const { name, place } = argument
    const taken = places.get(name)
    if (taken !== undefined) {
      const [first, second] = [taken, place].map(place => place === 'wholeBody' ? 'body' : place)
      throw new Error(
        `the name ${JSON.stringify(name)} is used in the ${first} and in the ${second}`
      )
    }
    places.set(name, place)
    // Not an assignment: an argument may be named `__proto__`.
    Object.defineProperty(properties, name, { value: argument.schema, enumerable: true })
    if (argument.required) required.push(name)
  }
  return {
    inputSchema: {
      type: 'object',
      properties,
      ...(required.length > 0 && { required }),
      additionalProperties: false
    },
    places
  }
}

function argumentsOf (
  { params, querystring, query, body }: RouteSchema,
  path: readonly PathPart[],
  shared: SharedSchemas
): Argument[] {
  const described = new Map(
    membersOf('params', 'path', params, shared).map(({ name, schema }) => [name, schema])
  )
  const pathArguments = path.filter((part) => typeof part !== 'string').map((
    { name, optional }
  ): Argument => ({
    name,
    schema: described.get(name) ?? { type: 'string' },
    place: 'path',
    required: !optional
  }))
  return [
    ...pathArguments,
    ...membersOf('querystring', 'query', querystring ?? query, shared),
    ...bodyArguments(body, shared)
  ]
}

function bodyArguments (schema: unknown, shared: SharedSchemas): Argument[] {
  if (schema === undefined || schema === null) return []
  const body = read('body', () => inlineSchema(jsonContent(schema), shared))
  return isListOfMembers(body)
    ? list(body, 'body')
    : [{ name: 'body', schema: body, place: 'wholeBody', required: true }]
}

/** Fastify accepts a schema per media type, in the form of OpenAPI. Tools send JSON. */
export function jsonContent (schema: unknown): unknown {
  if (!isPlainObject(schema) || !isPlainObject(schema.content)) return schema
  const media = schema.content['application/json']
  if (!isPlainObject(media)) throw new Error('it has no application/json form')
  return media.schema
}

function membersOf (
  part: string,
  place: Place,
  schema: unknown,
  shared: SharedSchemas
): Argument[] {
  if (schema === undefined || schema === null) return []
  const object = read(part, () => inlineSchema(schema, shared))
  if (!isPlainObject(object.properties)) {
    throw new Error(`its ${part} is not an object with properties`)
  }
  return list(object, place)
}

function list ({ properties, required }: JsonSchema, place: Place): Argument[] {
  const names = Array.isArray(required) ? required : []
  return Object.entries(properties as JsonSchema).map(([name, schema]) => ({
    name,
    schema,
    place,
    required: names.includes(name)
  }))
}

const listKeywords = new Set([
  'type',
  'properties',
  'required',
  'title',
  'description',
  'examples',
  'example',
  'default'
])

/** Checks whether a schema is fully described by the list of its members. */
function isListOfMembers (schema: JsonSchema): boolean {
  return schema.type === 'object' && isPlainObject(schema.properties) &&
    Object.entries(schema).every(([keyword, content]) =>
      listKeywords.has(keyword) || (keyword === 'additionalProperties' && content === false)
    )
}

function read<T> (part: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    throw new Error(`its ${part} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
