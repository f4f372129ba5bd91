/** Which arguments does a tool have, and where does each go in the request? */

import type { Tool } from '@modelcontextprotocol/sdk/types.js'
import { maxToolNameChars } from '../../limits.ts'
import { readBody } from './body.ts'
import { isHeaderArgument } from './header-arguments.ts'
import { type RouteSchema, createReader } from './json-schema.ts'
import { collectMembers, listArguments } from './members.ts'
import type { PathPart } from './path.ts'
import { type JsonSchema, type SharedSchemas, asDocument, typesOf } from './references.ts'
import { slug, uniqueName } from './slug.ts'

/** The place of an argument. */
export interface Place {
  /** `wholeBody` is the body itself, `body` a member of it, `file` a part of a multipart body. */
  in: 'path' | 'wildcard' | 'query' | 'header' | 'body' | 'wholeBody' | 'file'
  /** Name there, which may differ from the name of the argument. */
  name: string
  /** JSON types of its schema. `null` for any. */
  types: readonly string[] | null
}

/** The arguments of a tool. */
export interface Input {
  inputSchema: Tool['inputSchema'] & { properties: Record<string, object> }
  /** Where each argument goes, by its name. */
  places: ReadonlyMap<string, Place>
  /** Where members go that the schema does not list. `null` if they are refused. */
  rest: 'query' | 'body' | null
  bodyType: 'json' | 'form' | 'multipart' | null
}

interface Argument {
  place: Place['in']
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
  const parameters = path.filter(part => typeof part !== 'string')
  const query = read('querystring', schema.querystring ?? schema.query)
  const params = read('params', schema.params, name => parameters.some(part => part.name === name))
  const headers = read(
    'headers',
    schema.headers,
    (name, isRequired) => isHeaderArgument(name, isRequired, options)
  )
  const body = attempt('body', () => readBody(schema, options.method ?? '', reader))
  const args: Argument[] = [
    ...parameters.map(({ name, optional, pattern }) => ({
      place: name === '*' ? 'wildcard' as const : 'path' as const,
      name,
      pattern,
      schema: params.args.find(param => param.name === name)?.schema ?? {},
      required: !optional
    })),
    ...query.args.map(member => ({ ...member, place: 'query' as const })),
    ...headers.args.map(({ name, ...member }) => ({
      ...member,
      name: name.toLowerCase(),
      place: 'header' as const
    })),
    ...body.args
  ]
  // A body is open unless its schema forbids further members, a query if it allows them.
  const isOpen = body.rest === undefined && !query.rest
  const rest = body.rest || isOpen ? 'body' : query.rest ? 'query' : null
  const unlisted = (rest === 'query' ? query.rest : body.rest) ?? true
  const additionalProperties = typeof unlisted === 'boolean' ? unlisted : reader.convert(unlisted)
  const definitions = reader.definitions()
  checkQuery(args, definitions, options)
  const { properties, required, places } = nameArguments(args, definitions)
  const inputSchema = asDocument(definitions, {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties
  }) as Input['inputSchema']
  return { inputSchema, places, rest, bodyType: body.bodyType }

  function attempt<T> (part: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw new Error(`its ${part} cannot be used: ${(error as Error).message}`, { cause: error })
    }
  }

  function read (part: string, value: unknown, wanted?: Parameters<typeof listArguments>[2]) {
    return attempt(part, () => {
      const located = reader.locate(value ?? {})
      if (located.schema !== Object(located.schema)) throw new Error('it is not a JSON Schema')
      const members = collectMembers(located, reader)
      return { args: listArguments(members, reader, wanted), rest: members.rest }
    })
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

/** Names the arguments. Valid names stay, the first of equal names too. */
function nameArguments (args: Argument[], definitions: JsonSchema) {
  const places = new Map<string, Place>()
  const shorten = (name: string) => slug(name).slice(0, maxToolNameChars)
  const isRenamed = ({ name }: Argument) => Number(shorten(name) !== name)
  const named = args.toSorted((a, b) => isRenamed(a) - isRenamed(b)).map(
    ({ place, name, schema, required, pattern }) => {
      const base = name === '*' ? 'path' : shorten(name) || place
      const argument = places.has(base) ? uniqueName(shorten(`${place}_${base}`), places) : base
      const isInPath = place === 'path' || place === 'wildcard'
      if (isInPath && typesOf(schema, definitions) === null) schema.type = 'string'
      if (isInPath && schema.type === 'string') schema.minLength ??= 1
      if (pattern && schema.type === 'string') schema.pattern ??= pattern
      const types = typesOf(schema, definitions)
      const nests = place === 'query' && takesObjects(schema, definitions)
      // A list of objects needs brackets, as an object does.
      places.set(argument, {
        in: place,
        name,
        types: nests && types ? [...types, 'object'] : types
      })
      return { argument, schema, required }
    }
  )
  return {
    places,
    properties: Object.fromEntries(named.map(({ argument, schema }) => [argument, schema])),
    required: named.flatMap(({ argument, required }) => required ? argument : [])
  }
}
