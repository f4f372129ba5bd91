/** How do the response schemas of a route describe the answers of a tool? */

import { maxBodyDepth, maxCheckedValues } from '../../limits.ts'
import type { ToolOptions } from '../../options/mcp.ts'
import { isPlainObject } from '../../util/json.ts'
import {
  type Reader,
  type RouteSchema,
  createReader,
  jsonContent,
  serializedKeywords
} from './json-schema.ts'
import {
  type JsonSchema,
  type SharedSchemas,
  asDocument,
  definitionOf,
  typeOf,
  typesOf
} from './references.ts'

/**
 * Adds the responses to the description of a tool, as the options demand; and builds its output
 * schema, if the successful responses of the route are objects. The output schema has what
 * Fastify's serializer guarantees, so that it accepts `{}` always.
 */
export function buildOutput (
  { description, response }: RouteSchema,
  options: ToolOptions,
  shared: SharedSchemas
) {
  const responses = Object.entries(isPlainObject(response) ? response : {})
  const successes = responses.filter(([status]) => /^2/.test(status))
  const described = options.describeAllResponses === true ? responses : successes
  return {
    description: [description, describe(described, options, shared)].filter(Boolean).join('\n\n'),
    outputSchema: options.outputSchemas === false ? undefined : outputOf(successes, shared)
  }
}

function outputOf (successes: Array<[string, unknown]>, shared: SharedSchemas) {
  const reader = createReader(shared, 'output', serializedKeywords)
  const read = readSchemas(successes.map(([, response]) => response), reader)
  if (read === null) return undefined
  const [$defs, ...schemas] = read
  const typed = schemas.filter(schema => typesOf(schema, $defs)?.some(type => type !== 'null'))
  const distinct = [...new Map(typed.map(schema => [JSON.stringify(schema), schema])).values()]
  const [first, ...others] = distinct
  const areObjects = distinct.every(schema =>
    typesOf(schema, $defs)?.every(type => type === 'object' || type === 'null')
  )
  if (first === undefined || !areObjects) return undefined
  const root = others.length > 0 ? { anyOf: distinct } : first
  const schema = asDocument($defs, { ...root, type: 'object' })
  return conforms({}, schema) ? schema : undefined
}

/** Reads responses. `null` if one has no JSON Schema: its route is a tool all the same. */
function readSchemas (responses: unknown[], reader: Reader): [JsonSchema, ...JsonSchema[]] | null {
  try {
    const schemas = responses.map(response => reader.convert(reader.locate(jsonContent(response))))
    return [reader.definitions(), ...schemas]
  } catch {
    return null
  }
}

function describe (
  responses: Array<[string, unknown]>,
  { describeAllResponses = false, describeFullResponseSchema = false }: ToolOptions,
  shared: SharedSchemas
) {
  if (responses.length === 0 || !(describeAllResponses || describeFullResponseSchema)) return ''
  const lines = responses.flatMap(([status, response]) => {
    const { description } = Object(response)
    const title = typeof description === 'string' ? `${status}: ${description}` : status
    const schema = describeFullResponseSchema &&
      readSchemas([response], createReader(shared, 'output'))
    return schema ? [title, JSON.stringify(asDocument(...schema))] : [title]
  })
  return ['Responses:', ...lines].join('\n')
}

/**
 * Checks an answer against an output schema, which has only the keywords that are checked here. Too
 * large an answer does not conform: alternatives within alternatives would be tried without end.
 */
export function conforms (answer: unknown, outputSchema: JsonSchema): boolean {
  let left = maxCheckedValues
  return check(answer, outputSchema, 0)

  /** Each alternative lists the names again, which takes long for many. */
  function namesIn (value: object) {
    const names = Object.keys(value)
    left -= names.length / 8
    return names
  }

  function check (value: unknown, schema: unknown, depth: number): boolean {
    if (!isPlainObject(schema)) return true
    if (depth > maxBodyDepth || left-- <= 0) return false
    const { type, $ref, allOf = [], anyOf, properties, prefixItems } = schema
    const of = (item: unknown, schema: unknown) => check(item, schema, depth + 1)
    const memberOf = (name: string) =>
      Object.hasOwn(Object(properties), name)
        ? Object(properties)[name]
        : schema.additionalProperties
    return (type === undefined || [type].flat().some(name => isOfType(value, name))) &&
      ($ref === undefined || of(value, definitionOf($ref, Object(outputSchema.$defs)))) &&
      (allOf as unknown[]).every(part => of(value, part)) &&
      (anyOf === undefined || (anyOf as unknown[]).some(part => of(value, part))) &&
      (Array.isArray(value)
        ? value.every((item, index) => of(item, Object(prefixItems)[index] ?? schema.items))
        : !isPlainObject(value) || namesIn(value).every(name => of(value[name], memberOf(name))))
  }
}

function isOfType (value: unknown, type: unknown) {
  return type === 'integer' ? Number.isInteger(value) : typeOf(value) === type
}
