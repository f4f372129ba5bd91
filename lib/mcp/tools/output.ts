/** How is the result of a tool described? */

import { isPlainObject } from '../../util/json.ts'
import { type RouteSchema, jsonContent } from './input.ts'
import { type JsonSchema, type SharedSchemas, inlineSchema } from './json-schema.ts'
import type { ToolOptions } from '../../options/mcp.ts'

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
    description: paragraphs.length > 0 ? paragraphs.join('\n\n') : undefined,
    outputSchema: schema?.type === 'object' ? schema : undefined
  }
}

function readResponses (responses: unknown, shared: SharedSchemas) {
  if (!isPlainObject(responses)) return []
  return Object.entries(responses).map(([status, response]) => ({
    status,
    description: isPlainObject(response) && typeof response.description === 'string'
      ? response.description
      : undefined,
    schema: readSchema(response, shared)
  }))
}

/** A response without a JSON Schema is not described. Its route is a tool all the same. */
function readSchema (response: unknown, shared: SharedSchemas): JsonSchema | undefined {
  try {
    return inlineSchema(jsonContent(response), shared)
  } catch {
    return undefined
  }
}

function describe (
  responses: ReturnType<typeof readResponses>,
  { describeAllResponses = false, describeFullResponseSchema = false }: ToolOptions
): string {
  if (responses.length === 0 || !(describeAllResponses || describeFullResponseSchema)) return ''
  const lines = responses.flatMap(({ status, description, schema }) => [
    description === undefined ? status : `${status}: ${description}`,
    ...(describeFullResponseSchema && schema !== undefined ? [JSON.stringify(schema)] : [])
  ])
  return ['Responses:', ...lines].join('\n')
}
