/** Which arguments does a tool have, and where does each go in the request? */

import { isPlainObject } from '../../util/json.ts'
import {
  type JsonSchema,
  type RouteSchema,
  type SharedSchemas,
  inlineSchema,
  jsonContent
} from './json-schema.ts'
import type { PathPart } from './path.ts'

/**
 * Where an argument goes in the request. `wholeBody` is the body itself, `body` a member of it, and
 * `file` a part of a multipart body.
 */
export type PlaceKind = 'path' | 'wildcard' | 'query' | 'header' | 'body' | 'wholeBody' | 'file'

/** The place of an argument. */
export interface Place {
  in: PlaceKind
  /** Name there, which may differ from the name of the argument. */
  name: string
  /** JSON types of its schema. `null` for any. */
  types: readonly string[] | null
}

/** The arguments of a tool. */
export interface Input {
  inputSchema: {
    type: 'object'
    properties: Record<string, object>
    required?: string[]
    additionalProperties: boolean
    $defs?: Record<string, object>
  }
  /** Where each argument goes, by its name. */
  places: ReadonlyMap<string, Place>
  /** Where members go that the schema does not list. `null` if they are refused. */
  rest: 'query' | 'body' | null
  bodyType: 'json' | 'form' | 'multipart' | null
}

interface Argument {
  name: string
  schema: unknown
  place: PlaceKind
  required: boolean
}

/**
 * Builds one input schema from a route's params, querystring and body. A body that is more than a
 * list of members becomes the single argument `body`.
 *
 * @throws {Error} with a sentence about the route
 */
export function buildInput (
  { params, querystring, query, body }: RouteSchema,
  path: PathPart[],
  shared: SharedSchemas
): Input {
  const described = membersOf('params', 'path', params)
  const inPath = path.filter(part => typeof part !== 'string').map(({ name, optional }) => ({
    name,
    schema: described.find(argument => argument.name === name)?.schema ?? { type: 'string' },
    place: 'path' as const,
    required: !optional
  }))
  const inQuery = membersOf('querystring', 'query', querystring ?? query)
  return inputOf([...inPath, ...inQuery, ...bodyArguments()])

  function membersOf (part: string, place: PlaceKind, schema: unknown): Argument[] {
    if (schema === undefined || schema === null) return []
    const object = read(part, schema)
    if (!isPlainObject(object.properties)) {
      throw new Error(`its ${part} is not an object with properties`)
    }
    return list(object, place)
  }

  function bodyArguments (): Argument[] {
    if (body === undefined || body === null) return []
    const schema = read('body', jsonContent(body))
    return isListOfMembers(schema)
      ? list(schema, 'body')
      : [{ name: 'body', schema, place: 'wholeBody', required: true }]
  }

  function read (part: string, schema: unknown) {
    try {
      return inlineSchema(schema, shared)
    } catch (error) {
      throw new Error(`its ${part} cannot be read: ${(error as Error).message}`, { cause: error })
    }
  }
}

function inputOf (args: Argument[]): Input {
  const properties: JsonSchema = {}
  const places = new Map<string, Place>()
  for (const { name, schema, place } of args) {
    const taken = places.get(name)?.in
    if (taken !== undefined) {
      const [first, second] = [taken, place].map(place => place === 'wholeBody' ? 'body' : place)
      throw new Error(
        `the name ${JSON.stringify(name)} is used in the ${first} and in the ${second}`
      )
    }
    places.set(name, { in: place, name, types: typesOf(schema) })
    // Not an assignment: an argument may be named `__proto__`.
    Object.defineProperty(properties, name, { value: schema, enumerable: true })
  }
  const required = args.filter(({ required }) => required).map(({ name }) => name)
  return {
    inputSchema: {
      type: 'object' as const,
      properties: properties as Record<string, object>,
      ...(required.length > 0 && { required }),
      additionalProperties: false
    },
    places,
    rest: null,
    bodyType: args.some(({ place }) => /body/i.test(place)) ? 'json' : null
  }
}

function list ({ properties, required }: JsonSchema, place: PlaceKind): Argument[] {
  const names = Array.isArray(required) ? required : []
  return Object.entries(properties as JsonSchema).map(([name, schema]) => ({
    name,
    schema,
    place,
    required: names.includes(name)
  }))
}

const listKeywords = new Set(
  'type properties required title description examples example default'.split(' ')
)

/** Checks whether a schema is fully described by the list of its members. */
function isListOfMembers (schema: JsonSchema) {
  return schema.type === 'object' && isPlainObject(schema.properties) &&
    Object.entries(schema).every(([keyword, content]) =>
      listKeywords.has(keyword) || (keyword === 'additionalProperties' && content === false)
    )
}

function typesOf (schema: unknown) {
  const { type } = Object(schema)
  return type === undefined ? null : [type].flat()
}
