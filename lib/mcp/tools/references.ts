/** Which schema does a reference lead to? */

import { isPlainObject } from '../../util/json.ts'

/** A JSON Schema in object form. */
export type JsonSchema = Record<string, unknown>

/** The shared schemas of a Fastify scope, by `$id`. */
export type SharedSchemas = JsonSchema

/** The place of a reference: a document with an `$id`, which may be a part of another, the root. */
export interface Scope {
  root: unknown
  document: unknown
}

/** A schema and the scope of its references. */
export interface Located {
  schema: unknown
  scope: Scope
}

/**
 * Resolves the reference of a schema as Ajv does: by `$id`, JSON pointer or anchor, within the
 * schema and among the shared schemas. No schema is fetched.
 *
 * @returns `undefined` if the schema has no reference
 * @throws {Error} with a sentence about the schema, if the target does not exist
 */
export function targetOf (
  { schema, scope: outer }: Located,
  shared: SharedSchemas
): Located | undefined {
  const { $ref: reference } = Object(schema)
  if (typeof reference !== 'string') return undefined
  const scope = scopeOf(schema, outer)
  const [id = '', ...rest] = reference.split('#')
  const fragment = rest.join('#')
  const found = fragment === '' || fragment.startsWith('/')
    ? resolvePointer(documentOf(id, scope, shared), fragment)
    : located(documentOf(reference, scope, shared))
  if (found === undefined) {
    throw new Error(`the reference ${JSON.stringify(reference)} cannot be resolved`)
  }
  return found
}

/** Narrows a scope if the schema has an `$id` of its own. */
function scopeOf (schema: unknown, scope: Scope): Scope {
  const id = idOf(schema)
  return id === undefined || id.startsWith('#') ? scope : { ...scope, document: schema }
}

/** Returns a schema within another. */
export function partOf ({ schema, scope }: Located, part: unknown): Located {
  return { schema: part, scope: scopeOf(schema, scope) }
}

function documentOf (id: string, scope: Scope, shared: SharedSchemas): Scope | undefined {
  const { root, document } = scope
  const base = idOf(document)
  if (id === '' || id === base) return scope
  const absolute = URL.canParse(id, base) ? new URL(id, base).href : id
  for (const name of [id, absolute]) {
    const embedded = idsOf(root).get(name)
    if (embedded !== undefined) return { root, document: embedded }
    const key = [name, `${name}#`].find(key => Object.hasOwn(shared, key))
    if (key !== undefined) return { root: shared[key], document: shared[key] }
  }
  return undefined
}

function located (scope: Scope | undefined): Located | undefined {
  return scope && { schema: scope.document, scope }
}

/** The parts of each schema with an `$id` or an anchor, such as TypeBox's recursive types. */
const idsByRoot = new WeakMap<object, Map<string, unknown>>()

function idsOf (root: unknown) {
  const key = Object(root) as object
  const known = idsByRoot.get(key)
  if (known !== undefined) return known
  const ids = new Map<string, unknown>()
  const seen = new Set<unknown>()
  const pending: unknown[] = [key]
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    const { $anchor: anchor } = value as JsonSchema
    const id = typeof anchor === 'string' ? `#${anchor}` : idOf(value)
    if (id !== undefined && !ids.has(id)) ids.set(id, value)
    pending.push(...Object.values(value).filter(item => item !== undefined))
  }
  idsByRoot.set(key, ids)
  return ids
}

function idOf (schema: unknown): string | undefined {
  const { $id: id } = Object(schema)
  return typeof id === 'string' ? id.replace(/#$/, '') : undefined
}

/** Resolves a JSON pointer (RFC 6901). */
function resolvePointer (scope: Scope | undefined, pointer: string): Located | undefined {
  if (scope === undefined) return undefined
  let at: Located = { schema: scope.document, scope }
  for (const token of decodeURIComponent(pointer).split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    const parent = at.schema
    if (parent !== Object(parent) || !Object.hasOwn(parent as object, key)) return undefined
    at = partOf(at, (parent as JsonSchema)[key])
  }
  return isPlainObject(at.schema) || typeof at.schema === 'boolean' ? at : undefined
}

/** Copies a schema as JSON. Symbols, functions and undefined members are lost. */
export function asJson<T> (schema: T): T {
  return JSON.parse(JSON.stringify(schema)) as T
}

/** Returns a schema with the targets of its references, as JSON. */
export function asDocument ($defs: JsonSchema, schema: JsonSchema = {}): JsonSchema {
  return asJson({ ...schema, ...(Object.keys($defs).length > 0 && { $defs }) })
}
