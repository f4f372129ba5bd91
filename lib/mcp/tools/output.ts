/** How do the response schemas of a route describe the answers of a tool? */

import { maxBodyDepth, maxSchemaChecks } from '../../limits.ts'
import type { ToolOptions } from '../../options/mcp.ts'
import { isPlainObject } from '../../util/json.ts'
import {
  type RouteSchema,
  createReader,
  jsonContent,
  serializedKeywords
} from './json-schema.ts'
import { typesOf } from './json-types.ts'
import { type JsonSchema, type SharedSchemas, asJson } from './references.ts'

/**
 * Builds the description of a tool, from the summary, the description, and the responses as the
 * options demand; and its output schema, if the successful responses of the route are objects. The
 * output schema has what Fastify's serializer guarantees, so that it accepts `{}` always.
 */
export function buildOutput (
  { summary, description, response }: RouteSchema,
  options: ToolOptions,
  shared: SharedSchemas
) {
  const responses = Object.entries(isPlainObject(response) ? response : {})
  const successes = responses.filter(([status]) => /^2/.test(status))
  const described = options.describeAllResponses === true ? responses : successes
  const paragraphs = [summary, description, describe(described, options, shared)].filter(
    paragraph => typeof paragraph === 'string' && paragraph !== ''
  )
  return {
    description: paragraphs.join('\n\n'),
    outputSchema: options.outputSchemas === false ? undefined : outputOf(successes, shared)
  }
}

function outputOf (successes: Array<[string, unknown]>, shared: SharedSchemas) {
  const reader = createReader(shared, 'output', serializedKeywords)
  try {
    const schemas = successes.map(([, response]) =>
      reader.convert(reader.locate(jsonContent(response)))
    )
    const $defs = reader.definitions()
    const typed = schemas.filter(schema => typesOf(schema, $defs)?.some(type => type !== 'null'))
    const distinct = [...new Map(typed.map(schema => [JSON.stringify(schema), schema])).values()]
    const [first, ...others] = distinct
    const isObject = (schema: JsonSchema) =>
      typesOf(schema, $defs)?.every(type => type === 'object' || type === 'null')
    if (first === undefined || !distinct.every(isObject)) return undefined
    const schema: JsonSchema = asJson({
      ...(others.length > 0 ? { anyOf: distinct } : first),
      type: 'object',
      ...(Object.keys($defs).length > 0 && { $defs })
    })
    return conforms({}, schema) ? schema : undefined
  } catch {
    // A response without a JSON Schema is not described. Its route is a tool all the same.
    return undefined
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
    return [title, ...(describeFullResponseSchema ? wholeSchema(response, shared) : [])]
  })
  return ['Responses:', ...lines].join('\n')
}

function wholeSchema (response: unknown, shared: SharedSchemas) {
  const reader = createReader(shared, 'output')
  try {
    const schema = reader.convert(reader.locate(jsonContent(response)))
    const $defs = reader.definitions()
    return [JSON.stringify({ ...schema, ...(Object.keys($defs).length > 0 && { $defs }) })]
  } catch {
    return []
  }
}

/**
 * Checks whether an answer is valid for an output schema, of whose keywords it knows all. An answer
 * that needs too many checks is invalid.
 */
export function conforms (answer: unknown, outputSchema: JsonSchema): boolean {
  const definitions = Object(outputSchema.$defs) as JsonSchema
  let checks = 0
  return check(answer, outputSchema, 0)

  function check (value: unknown, schema: unknown, depth: number): boolean {
    if (!isPlainObject(schema)) return true
    if (++checks > maxSchemaChecks || depth > maxBodyDepth) return false
    const of = (item: unknown, schema: unknown) => check(item, schema, depth + 1)
    const { type, $ref, allOf, anyOf } = schema
    return (type === undefined || [type].flat().some(name => isOfType(value, name))) &&
      (typeof $ref !== 'string' || of(value, definitions[$ref.slice('#/$defs/'.length)])) &&
      (!Array.isArray(allOf) || allOf.every(part => of(value, part))) &&
      (!Array.isArray(anyOf) || anyOf.some(part => of(value, part))) &&
      (Array.isArray(value)
        ? value.every((item, index) => of(item, Object(schema.prefixItems)[index] ?? schema.items))
        : !isPlainObject(value) || Object.entries(value).every(([name, member]) => {
          const properties = Object(schema.properties)
          return of(
            member,
            Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties
          )
        }))
  }
}

function isOfType (value: unknown, type: unknown) {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isPlainObject(value)
  const name: string = value === null ? 'null' : typeof value
  return name === type
}
