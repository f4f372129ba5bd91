import type { RouteSchema } from './input.ts'
import { jsonContent } from './input.ts'
import { type JsonSchema, inlineSchema, isSchema } from './json-schema.ts'
import type { ToolOptions } from '../../options/schema.ts'

interface Response {
  status: string
  description: string | undefined
  schema: JsonSchema | undefined
}

/** What a route says about its answers. */
export interface ToolOutput {
  description: string | undefined
  outputSchema: (JsonSchema & { type: 'object' }) | undefined
}

/**
 * The output schema of a route, if all of its successful answers are objects of one schema, and its
 * description: summary, then description, then what the options ask for about responses.
 */
export function buildOutput (
  schema: RouteSchema,
  options: ToolOptions,
  shared: Readonly<Record<string, unknown>>
): ToolOutput {
  const responses = readResponses(schema.response, shared)
  const successes = responses.filter(({ status }) => /^2/.test(status))
  const only = successes.length === 1 ? successes[0]?.schema : undefined
  const paragraphs = [
    schema.summary,
    schema.description,
    ...describe(options.describeAllResponses === true ? responses : successes, options)
  ].filter((paragraph) => typeof paragraph === 'string' && paragraph !== '')

  return {
    description: paragraphs.length > 0 ? paragraphs.join('\n\n') : undefined,
    outputSchema: only?.type === 'object' ? only as ToolOutput['outputSchema'] : undefined
  }
}

function readResponses (responses: unknown, shared: Readonly<Record<string, unknown>>): Response[] {
  if (!isSchema(responses)) return []
  return Object.entries(responses).map(([status, response]) => ({
    status,
    description: isSchema(response) && typeof response.description === 'string'
      ? response.description
      : undefined,
    schema: readSchema(response, shared)
  }))
}

/**
 * A response that is no JSON, or not described in JSON Schema, has no schema for us; its route is a
 * tool all the same.
 */
function readSchema (
  response: unknown,
  shared: Readonly<Record<string, unknown>>
): JsonSchema | undefined {
  try {
    return inlineSchema(jsonContent(response), shared)
  } catch {
    return undefined
  }
}

function describe (responses: readonly Response[], options: ToolOptions): string[] {
  if (
    options.describeAllResponses !== true && options.describeFullResponseSchema !== true
  ) { return [] }
  const lines = responses.flatMap(({ status, description, schema }) => {
    const head = description === undefined ? `${status}` : `${status}: ${description}`
    return options.describeFullResponseSchema === true && schema !== undefined
      ? [head, JSON.stringify(schema)]
      : [head]
  })
  return lines.length === 0 ? [] : ['Responses:\n' + lines.join('\n')]
}
