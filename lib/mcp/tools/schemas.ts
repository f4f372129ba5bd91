/** How do the path and the schemas of a route describe a tool? */

import type { ToolOptions } from '../../options/mcp.ts'
import { isPlainObject } from '../../util/json.ts'
import { type JsonSchema, type SharedSchemas, inlineSchema } from './json-schema.ts'

/** A Fastify route schema. Plugins may replace the types of its members. */
export type RouteSchema = Record<string, unknown>

/** Where an argument is sent. `wholeBody` is the body itself, `body` one member of it. */
type Place = 'path' | 'query' | 'body' | 'wholeBody'

/** The places of the arguments of a tool. */
export type Places = Map<string, Place>

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
  { params, querystring, query, body }: RouteSchema,
  path: PathPart[],
  shared: SharedSchemas
) {
  const described = membersOf('params', 'path', params)
  const inPath = path.filter(part => typeof part !== 'string').map(({ name, optional }) => ({
    name,
    schema: described.find(argument => argument.name === name)?.schema ?? { type: 'string' },
    place: 'path' as const,
    required: !optional
  }))
  const inQuery = membersOf('querystring', 'query', querystring ?? query)
  return inputOf([...inPath, ...inQuery, ...bodyArguments()])

  function membersOf (part: string, place: Place, schema: unknown): Argument[] {
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

function inputOf (args: Argument[]) {
  const properties: JsonSchema = {}
  const places = new Map<string, Place>()
  for (const { name, schema, place } of args) {
    const taken = places.get(name)
    if (taken !== undefined) {
      const [first, second] = [taken, place].map(place => place === 'wholeBody' ? 'body' : place)
      throw new Error(
        `the name ${JSON.stringify(name)} is used in the ${first} and in the ${second}`
      )
    }
    places.set(name, place)
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
    places
  }
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

/** Fastify accepts a schema per media type, in the form of OpenAPI. Tools send JSON. */
function jsonContent (schema: unknown) {
  if (!isPlainObject(schema) || !isPlainObject(schema.content)) return schema
  const media = schema.content['application/json']
  if (!isPlainObject(media)) throw new Error('its body has no application/json form')
  return media.schema
}

/**
 * Builds the output schema of a route, if its one successful response is an object, and its
 * description: the summary, the description, and the responses as the options demand.
 */
export function buildOutput (
  { summary, description, response }: RouteSchema,
  options: ToolOptions,
  shared: SharedSchemas
) {
  const responses = readResponses(response, shared)
  const successes = responses.filter(({ status }) => status.startsWith('2'))
  const schema = successes.length === 1 ? successes[0]?.schema : undefined
  const described = options.describeAllResponses === true ? responses : successes
  const paragraphs = [summary, description, describe(described, options)].filter(paragraph =>
    typeof paragraph === 'string' && paragraph !== ''
  )
  return {
    description: paragraphs.join('\n\n'),
    outputSchema: schema?.type === 'object' ? schema : undefined
  }
}

function readResponses (responses: unknown, shared: SharedSchemas) {
  return Object.entries(isPlainObject(responses) ? responses : {}).map(([status, response]) => {
    const { description } = Object(response)
    const title = typeof description === 'string' ? `${status}: ${description}` : status
    try {
      return { status, title, schema: inlineSchema(jsonContent(response), shared) }
    } catch {
      // A response without a JSON Schema is not described. Its route is a tool all the same.
      return { status, title, schema: undefined }
    }
  })
}

function describe (
  responses: ReturnType<typeof readResponses>,
  { describeAllResponses = false, describeFullResponseSchema = false }: ToolOptions
) {
  if (responses.length === 0 || !(describeAllResponses || describeFullResponseSchema)) return ''
  const lines = responses.flatMap(({ title, schema }) =>
    describeFullResponseSchema && schema ? [title, JSON.stringify(schema)] : [title]
  )
  return ['Responses:', ...lines].join('\n')
}

/** A route's path as a list of fixed text and parameters. */
export type PathPart = string | { name: string, optional: boolean }

/**
 * Parses a path in the syntax of the router: `:name`, `:name(regex)`, `:name?`, several parameters
 * in a segment, and `::` for a colon. Paths with wildcards have no fixed set of parameters.
 */
export function parsePath (path: string): PathPart[] {
  const parts: PathPart[] = []
  let text = ''
  let at = 0
  while (at < path.length) {
    if (path[at] !== ':' || path[at + 1] === ':') {
      at += path[at] === ':' ? 2 : 1
      text += path[at - 1]
      continue
    }
    const name = /^[^/\-.(?:]*/.exec(path.slice(at + 1))?.[0] as string
    at = skipPattern(path, at + 1 + name.length)
    const optional = path[at] === '?'
    if (optional) at++
    parts.push(text, { name, optional })
    text = ''
  }
  return [...parts, text].filter((part) => part !== '')
}

/** The position after the parenthesised expression that starts at `at`, if there is one. */
function skipPattern (path: string, at: number) {
  if (path[at] !== '(') return at
  let depth = 0
  for (; at < path.length; at++) {
    if (path[at] === '\\') at++
    else if (path[at] === '(') depth++
    else if (path[at] === ')' && --depth === 0) return at + 1
  }
  return at
}

/**
 * Fills the parameters with encoded values. An encoded value stays in its segment, slashes
 * included.
 *
 * @returns `null` if a value is missing, empty, or names another path (`.`, `..`)
 */
export function fillPath (
  parts: PathPart[],
  values: Record<string, unknown>
) {
  let path = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      path += part
      continue
    }
    const value = values[part.name]
    if (value === undefined && part.optional) return path.replace(/(?<=.)\/$/, '')
    const text = ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : ''
    if (text === '' || /\p{Surrogate}/u.test(text) || /^\.{1,2}$/.test(text)) return null
    path += encodeURIComponent(text)
  }
  return path
}
