/** Which schema does a reference lead to, and which JSON types does a schema allow? */

import { isPlainObject } from '../../util/json.ts'

/** A JSON Schema in object form. */
export type JsonSchema = Record<string, unknown>

/** The shared schemas of a Fastify scope, by `$id`. */
export type SharedSchemas = JsonSchema

/** A schema, the closest schema around it that has an `$id`, and the outermost one. */
export interface Located {
  schema: unknown
  document: unknown
  root: unknown
}

/**
 * Resolves the reference of a schema as Ajv does: by `$id`, JSON pointer or anchor, within the
 * schema and among the shared schemas. No schema is fetched.
 *
 * @returns `undefined` if the schema has no reference
 * @throws {Error} with a sentence about the schema, if the target does not exist
 */
export function targetOf (from: Located, shared: SharedSchemas): Located | undefined {
  const { $ref: reference } = Object(from.schema)
  if (typeof reference !== 'string') return undefined
  const [, id = '', pointer] = /^([^#]*)(?:#(|\/.*))?$/s.exec(reference) ?? ['', reference]
  const found = pointTo(documentOf(id, partOf(from, null), shared), pointer ?? '')
  if (found === undefined) {
    throw new Error(`the reference ${JSON.stringify(reference)} cannot be resolved`)
  }
  return found
}

/** Returns a schema without one around it. */
export function rootOf (schema: unknown): Located {
  return { schema, document: schema, root: schema }
}

/** Returns a schema within another. */
export function partOf ({ schema, document, root }: Located, part: unknown): Located {
  const isDocument = idOf(schema)?.startsWith('#') === false
  return { schema: part, document: isDocument ? schema : document, root }
}

function documentOf (id: string, { document, root }: Located, shared: SharedSchemas) {
  const base = idOf(document)
  if (id === '' || id === base) return { schema: document, document, root }
  const absolute = URL.canParse(id, base) ? new URL(id, base).href : id
  for (const name of [id, absolute]) {
    const schema = idsOf(root).get(name)
    if (schema !== undefined) return { schema, document: schema, root }
    const key = [name, `${name}#`].find(key => Object.hasOwn(shared, key))
    if (key !== undefined) return rootOf(shared[key])
  }
  return undefined
}

/** The parts of each schema with an `$id` or an anchor, such as TypeBox's recursive types. */
const idsByRoot = new WeakMap<object, Map<string, unknown>>()

function idsOf (root: unknown) {
  const key = Object(root) as object
  const known = idsByRoot.get(key)
  if (known !== undefined) return known
  const ids = new Map<string, unknown>()
  const parts = new Set<object>([key])
  // Parts that are added meanwhile are visited, too.
  for (const part of parts) {
    const { $anchor: anchor } = part as JsonSchema
    const id = typeof anchor === 'string' ? `#${anchor}` : idOf(part)
    if (id !== undefined && !ids.has(id)) ids.set(id, part)
    for (const item of Object.values(part)) if (Object(item) === item) parts.add(item)
  }
  idsByRoot.set(key, ids)
  return ids
}

function idOf (schema: unknown): string | undefined {
  const { $id: id } = Object(schema)
  return typeof id === 'string' ? id.replace(/#$/, '') : undefined
}

/** Resolves a JSON pointer (RFC 6901). */
function pointTo (document: Located | undefined, pointer: string): Located | undefined {
  let at = document
  for (const token of decodeURIComponent(pointer).split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    const parent = Object(at?.schema)
    at = at && Object.hasOwn(parent, key) ? partOf(at, parent[key]) : undefined
  }
  return isPlainObject(at?.schema) || typeof at?.schema === 'boolean' ? at : undefined
}

/** Copies a schema as JSON. Symbols, functions and undefined members are lost. */
export function asJson<T> (schema: T): T {
  return JSON.parse(JSON.stringify(schema)) as T
}

/** Returns a schema with the targets of its references, as JSON. */
export function asDocument ($defs: JsonSchema, schema: JsonSchema = {}): JsonSchema {
  return asJson({ ...schema, ...(Object.keys($defs).length > 0 && { $defs }) })
}

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
