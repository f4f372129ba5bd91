/** How is a schema of Zod or another library converted to JSON Schema? */

import { type JsonSchema, asJson } from './references.ts'

/**
 * Converts a Standard Schema, such as Zod's. Returns any other value as it is.
 *
 * @throws {Error} with a sentence about the schema, if its library cannot convert it
 */
export function fromStandard (schema: unknown, side: 'input' | 'output'): unknown {
  const { '~standard': standard, _def: zod3 } = Object(schema) as JsonSchema
  if (standard === undefined && zod3 === undefined) return schema
  const { vendor = 'zod', jsonSchema } = Object(standard) as {
    vendor?: string
    jsonSchema?: Record<typeof side, (options: object) => unknown>
  }
  if (jsonSchema === undefined) {
    throw new Error(
      `this version of ${vendor} cannot convert it to JSON Schema. ` +
        'Use Zod 4.2 or another library with Standard JSON Schema'
    )
  }
  // The result may be a Standard Schema itself.
  return asJson(jsonSchema[side]({ target: 'draft-07', libraryOptions }))
}

/** Zod's: a date is a text in JSON, and other types that JSON lacks may be anything. */
const libraryOptions = {
  unrepresentable: 'any',
  override ({ zodSchema, jsonSchema }: { zodSchema: JsonSchema, jsonSchema: JsonSchema }) {
    if (Object(zodSchema._zod).def?.type === 'date') {
      Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
    }
  }
}
