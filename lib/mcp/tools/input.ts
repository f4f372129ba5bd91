import { type JsonSchema, inlineSchema, isSchema } from './json-schema.ts'
import type { PathPart } from './path.ts'

/** The parts of a Fastify route schema that tools are made of. */
export interface RouteSchema {
  operationId?: unknown
  summary?: unknown
  description?: unknown
  tags?: unknown
  hide?: unknown
  params?: unknown
  querystring?: unknown
  query?: unknown
  body?: unknown
  response?: unknown
}

/** Where an argument travels. `wholeBody` is the body itself, `body` one member of it. */
export type Place = 'path' | 'query' | 'body' | 'wholeBody'

/** A tool's arguments as one object. */
export interface ToolInput {
  inputSchema: JsonSchema & { type: 'object' }
  places: ReadonlyMap<string, Place>
}

interface Argument {
  name: string
  schema: unknown
  place: Place
  required: boolean
}

/**
 * Makes one input schema of a route's params, querystring and body. A body that is more than a
 * plain list of members becomes the single argument `body`. Throws an `Error` with a sentence about
 * the route.
 */
export function buildInput (
  schema: RouteSchema,
  path: readonly PathPart[],
  shared: Readonly<Record<string, unknown>>
): ToolInput {
  const properties: JsonSchema = {}
  const required: string[] = []
  const places = new Map<string, Place>()

  const all = [
    ...pathArguments(schema.params, path, shared),
    ...queryArguments(schema.querystring ?? schema.query, shared),
    ...bodyArguments(schema.body, shared)
  ]
  for (const argument of all) {
    const taken = places.get(argument.name)
    if (taken !== undefined) {
      throw new Error(
        `the name ${JSON.stringify(argument.name)} is used in the ${label(taken)} and in the ${
          label(argument.place)
        }`
      )
    }
    places.set(argument.name, argument.place)
    Object.defineProperty(properties, argument.name, { value: argument.schema, enumerable: true })
    if (argument.required) required.push(argument.name)
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

function pathArguments (
  schema: unknown,
  path: readonly PathPart[],
  shared: Readonly<Record<string, unknown>>
): Argument[] {
  const described = new Map(
    members('params', schema, shared).map((argument) => [argument.name, argument.schema])
  )
  return path.filter((part) => typeof part !== 'string').map(({ name, optional }) => (
    { name, schema: described.get(name) ?? { type: 'string' }, place: 'path', required: !optional }
  ))
}

function queryArguments (schema: unknown, shared: Readonly<Record<string, unknown>>): Argument[] {
  return members('querystring', schema, shared).map((argument) => ({ ...argument, place: 'query' }))
}

function bodyArguments (schema: unknown, shared: Readonly<Record<string, unknown>>): Argument[] {
  if (schema === undefined || schema === null) return []
  const body = named('body', () => inlineSchema(jsonContent(schema), shared))
  if (isPlainObject(body)) return list(body).map((argument) => ({ ...argument, place: 'body' }))
  return [{ name: 'body', schema: body, place: 'wholeBody', required: true }]
}

/** Fastify takes a schema per media type, in OpenAPI's form. Tools speak JSON. */
export function jsonContent (schema: unknown): unknown {
  if (!isSchema(schema) || !isSchema(schema.content)) return schema
  const media = schema.content['application/json']
  if (!isSchema(media)) throw new Error('it has no application/json form')
  return media.schema
}

function members (
  part: string,
  schema: unknown,
  shared: Readonly<Record<string, unknown>>
): Array<Omit<Argument, 'place'>> {
  if (schema === undefined || schema === null) return []
  const object = named(part, () => inlineSchema(schema, shared))
  if (!isSchema(object.properties)) throw new Error(`its ${part} is not an object with properties`)
  return list(object)
}

function list ({ properties, required }: JsonSchema): Array<Omit<Argument, 'place'>> {
  const names = Array.isArray(required) ? required : []
  return Object.entries(properties as JsonSchema).map(([name, schema]) => ({
    name,
    schema,
    required: names.includes(name)
  }))
}

const plainKeywords = new Set([
  'type',
  'properties',
  'required',
  'title',
  'description',
  'examples',
  'example',
  'default'
])

/** Nothing is lost when the members of such an object are listed one by one. */
function isPlainObject (schema: JsonSchema): boolean {
  return schema.type === 'object' && isSchema(schema.properties) &&
    Object.entries(schema).every(([keyword, content]) =>
      plainKeywords.has(keyword) || (keyword === 'additionalProperties' && content === false)
    )
}

function named<T> (part: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new Error(`its ${part} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

function label (place: Place): string {
  return place === 'wholeBody' ? 'body' : place
}
