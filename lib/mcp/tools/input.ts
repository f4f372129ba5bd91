/** Which arguments does a tool have, and where does each go in the request? */

import { readBody } from './body.ts'
import { isHeaderArgument } from './header-arguments.ts'
import { type RouteSchema, createReader, uniqueName } from './json-schema.ts'
import { typesOf } from './json-types.ts'
import { collectMembers, listArguments } from './members.ts'
import type { PathPart } from './path.ts'
import { type JsonSchema, type SharedSchemas, asDocument } from './references.ts'

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
    additionalProperties: boolean | object
    $defs?: Record<string, object>
  }
  /** Where each argument goes, by its name. */
  places: ReadonlyMap<string, Place>
  /** Where members go that the schema does not list. `null` if they are refused. */
  rest: 'query' | 'body' | null
  bodyType: 'json' | 'form' | 'multipart' | null
}

interface Argument {
  place: PlaceKind
  /** Name in the request. */
  name: string
  schema: JsonSchema
  required: boolean
  /** Pattern in the route's path. */
  pattern?: string | undefined
}

/** Properties of the app, and permissions of the operator. */
export interface InputOptions {
  method?: string
  /** Whether the query parser reads objects from brackets, as that of `qs` does. */
  brackets?: boolean
  /** `mcp.tools.headerArguments`. */
  headerArguments?: true | readonly string[] | undefined
  /** Lower-case names of the headers that the route gets from the MCP request. */
  headers?: readonly string[]
}

/**
 * Builds the arguments of a tool from a route's path, params, querystring, headers and body.
 *
 * @throws {Error} with a sentence about the route, which cannot be a tool
 */
export function buildInput (
  schema: RouteSchema,
  path: readonly PathPart[],
  shared: SharedSchemas,
  options: InputOptions = {}
): Input {
  const reader = createReader(shared, 'input')
  const query = attempt('querystring', () => read(schema.querystring ?? schema.query))
  const body = attempt('body', () => readBody(schema, options.method ?? '', reader))
  const parameters = path.filter(part => typeof part !== 'string')
  const params = list('params', schema.params, name => parameters.some(part => part.name === name))
  const args: Argument[] = [
    ...parameters.map(({ name, optional, pattern }) => ({
      place: name === '*' ? 'wildcard' as const : 'path' as const,
      name,
      pattern,
      schema: params.find(param => param.name === name)?.schema ?? {},
      required: !optional
    })),
    ...attempt('querystring', () => listArguments(query, reader))
      .map(member => ({ ...member, place: 'query' as const })),
    ...list(
      'headers',
      schema.headers,
      (name, isRequired) => isHeaderArgument(name, isRequired, options)
    )
      .map(member => ({ ...member, name: member.name.toLowerCase(), place: 'header' as const })),
    ...body.args
  ]
  const { rest, unlisted } = restOf()
  const definitions = reader.definitions()
  checkQuery(args, definitions, options)
  const { properties, required, places } = nameArguments(args, definitions)
  const inputSchema = asDocument(definitions, {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: unlisted
  }) as unknown as Input['inputSchema']
  return { inputSchema, places, rest, bodyType: body.bodyType }

  function attempt<T> (part: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw new Error(`its ${part} cannot be used: ${(error as Error).message}`, { cause: error })
    }
  }

  function read (value: unknown) {
    const located = reader.locate(value ?? {})
    if (located.schema !== Object(located.schema)) throw new Error('it is not a JSON Schema')
    return collectMembers(located, reader)
  }

  function list (part: string, value: unknown, wanted: Parameters<typeof listArguments>[2]) {
    return attempt(part, () => listArguments(read(value), reader, wanted))
  }

  /** A body is open unless its schema forbids further members, a query if it allows them. */
  function restOf () {
    const [place, rest] = body.rest
      ? ['body' as const, body.rest]
      : query.rest
      ? ['query' as const, query.rest]
      : body.rest === undefined
      ? ['body' as const, true]
      : [null, false]
    return { rest: place, unlisted: typeof rest === 'boolean' ? rest : reader.convert(rest) }
  }
}

/** Objects in a query reach the route only if the app's parser reads them. */
function checkQuery (args: Argument[], definitions: JsonSchema, { brackets }: InputOptions) {
  const object = args.find(({ place, schema }) =>
    place === 'query' && takesObjects(schema, definitions)
  )
  if (object === undefined || brackets === true) return
  throw new Error(
    `its querystring has the object ${JSON.stringify(object.name)}, which the app's query parser ` +
      'cannot read. Give Fastify a querystringParser such as qs.parse, or use plain values'
  )
}

/** Checks whether a value of the schema is an object, or a list of objects. */
function takesObjects (schema: unknown, definitions: JsonSchema): boolean {
  const types = typesOf(schema, definitions)?.filter(type => type !== 'null') ?? []
  return types.length > 0 &&
    types.every(type =>
      type === 'object' || (type === 'array' && takesObjects(Object(schema).items, definitions))
    )
}

const validName = /^[\w.-]{1,64}$/

/** Names the arguments. Valid names stay, the first of equal names too. */
function nameArguments (args: Argument[], definitions: JsonSchema) {
  const places = new Map<string, Place>()
  const named = [
    ...args.filter(({ name }) => validName.test(name)),
    ...args.filter(({ name }) => !validName.test(name))
  ].map(({ place, name, schema, required, pattern }) => {
    const argument = nameOf(place, name, places)
    const isInPath = place === 'path' || place === 'wildcard'
    if (isInPath && typesOf(schema, definitions) === null) schema.type = 'string'
    if (pattern && schema.type === 'string') schema.pattern ??= pattern
    const types = typesOf(schema, definitions)
    const nests = place === 'query' && takesObjects(schema, definitions)
    // A list of objects needs brackets, as an object does.
    places.set(argument, { in: place, name, types: nests && types ? [...types, 'object'] : types })
    return { argument, schema, required }
  })
  return {
    places,
    properties: Object.fromEntries(named.map(({ argument, schema }) => [argument, schema])),
    required: named.flatMap(({ argument, required }) => required ? argument : [])
  }
}

function nameOf (place: PlaceKind, name: string, taken: ReadonlyMap<string, unknown>) {
  const base = name === '*' ? 'path' : shorten(name) || place
  return taken.has(base) ? uniqueName(shorten(`${place}_${base}`), taken) : base
}

/** Returns the name without characters that some clients refuse. */
function shorten (name: string) {
  return validName.test(name)
    ? name
    : name.replace(/[^\w.-]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 64)
}
