/** How do the response schemas of a route describe the answers of a tool? */

import type { ToolOptions } from '../../options/mcp.ts'
import { isPlainObject } from '../../util/json.ts'
import { type RouteSchema, type SharedSchemas, inlineSchema, jsonContent } from './json-schema.ts'

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
