/** Which JSON types does a schema allow? */

import { isPlainObject } from '../../util/json.ts'
import type { JsonSchema } from './references.ts'

/** References to references that are followed. Some lead in a circle. */
export const maxHops = 20

/**
 * Returns the JSON types that a converted schema allows, `null` for any.
 *
 * @param definitions the targets of its references
 */
export function typesOf (
  schema: unknown,
  definitions: JsonSchema,
  depth = 0
): readonly string[] | null {
  if (!isPlainObject(schema) || depth > maxHops) return null
  const { type, $ref, anyOf, oneOf, allOf, enum: values, properties } = schema
  if (type !== undefined) return [type].flat() as string[]
  const of = (item: unknown) => typesOf(item, definitions, depth + 1)
  if ($ref !== undefined) return of(definitionOf($ref, definitions))
  const alternatives = anyOf ?? oneOf
  if (Array.isArray(alternatives)) {
    const types = alternatives.map(of)
    return types.includes(null) ? null : [...new Set(types.flat() as string[])]
  }
  if (Array.isArray(allOf)) return allOf.map(of).find(types => types !== null) ?? null
  const allowed = 'const' in schema ? [schema.const] : values
  if (Array.isArray(allowed)) return [...new Set(allowed.map(typeOf))]
  return isPlainObject(properties) ? ['object'] : null
}

/** Returns the schema among `$defs` that a converted schema refers to. */
export function definitionOf ($ref: unknown, definitions: JsonSchema) {
  return definitions[String($ref).slice('#/$defs/'.length)]
}

/** Returns the JSON type of a value. */
export function typeOf (value: unknown) {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}
