/** How does a JSON Schema look without references? */

import { isPlainObject } from '../../util/json.ts'

/** A JSON Schema in object form. */
export type JsonSchema = Record<string, unknown>

/** The shared schemas of a Fastify scope, by `$id`. */
export type SharedSchemas = JsonSchema

/** A Fastify route schema. Plugins may replace the types of its members. */
export type RouteSchema = Record<string, unknown>

/** Keywords that hold a schema, or a list of schemas. All others hold data, which is copied. */
const schemaKeywords = new Set((
  'allOf anyOf oneOf prefixItems items additionalItems additionalProperties ' +
  'unevaluatedProperties unevaluatedItems contains propertyNames not if then else'
).split(' '))
const mapKeywords = new Set(['properties', 'patternProperties', 'dependentSchemas'])
/** Targets of references, of which none remain. */
const droppedKeywords = new Set(
  '$id $schema $anchor $comment definitions $defs nullable'.split(' ')
)

/**
 * Copies a schema and replaces every `$ref` by its target: a part of the schema, or a `shared`
 * schema by `$id`. No schema is fetched. A schema that contains itself is cut at its first
 * repetition, where it accepts anything. Symbols and undefined members are lost.
 *
 * @throws {Error} with a sentence about the schema, if a reference cannot be resolved
 */
export function inlineSchema (schema: unknown, shared: SharedSchemas): JsonSchema {
  const inlined = inline(schema, schema, [])
  if (!isPlainObject(inlined)) throw new Error('it is not a JSON Schema')
  return inlined

  /** @param trail the targets of the references around the value */
  function inline (value: unknown, root: unknown, trail: unknown[]): unknown {
    if (!isPlainObject(value)) return value
    // Schemas of other libraries, such as Zod, are objects too, but no JSON Schema.
    if ('~standard' in value) throw new Error('it is not a JSON Schema')
    const { $ref, ...siblings } = value
    if (typeof $ref === 'string') return inlineReference($ref, siblings, root, trail)

    const visit = (item: unknown) => inline(item, root, trail)
    const copy: JsonSchema = {}
    for (const [keyword, content] of Object.entries(value)) {
      if (content === undefined || droppedKeywords.has(keyword)) continue
      copy[keyword] = schemaKeywords.has(keyword)
        ? Array.isArray(content)
          ? content.map(visit)
          : visit(content)
        : mapKeywords.has(keyword) && isPlainObject(content)
        ? Object.fromEntries(Object.entries(content).map(([name, item]) => [name, visit(item)]))
        : content
    }
    // Fastify supports OpenAPI 3.0's keyword, clients do not.
    if (value.nullable === true && typeof copy.type === 'string') copy.type = [copy.type, 'null']
    return copy
  }

  function inlineReference (
    reference: string,
    siblings: JsonSchema,
    root: unknown,
    trail: unknown[]
  ): unknown {
    const [id = '', ...fragments] = reference.split('#')
    const isRoot = id === '' || (isPlainObject(root) && idOf(root) === id)
    const document = isRoot ? root : shared[id] ?? shared[`${id}#`] ?? findEmbedded(root, id)
    const target = document && resolvePointer(document, fragments.join('#'))
    if (target === undefined) {
      throw new Error(`the reference ${JSON.stringify(reference)} cannot be resolved`)
    }
    if (trail.includes(target)) return {}
    const resolved = inline(target, document, [...trail, target])
    return isPlainObject(resolved)
      ? { ...resolved, ...(inline(siblings, root, trail) as JsonSchema) }
      : resolved
  }
}

/** Finds a definition with an `$id` of its own, the form of TypeBox's recursive types. */
function findEmbedded (root: unknown, id: string): unknown {
  if (!isPlainObject(root)) return undefined
  if (idOf(root) === id) return root
  for (const item of Object.values(root).flat()) {
    const found = findEmbedded(item, id)
    if (found !== undefined) return found
  }
  return undefined
}

function idOf ({ $id: id }: JsonSchema): unknown {
  return typeof id === 'string' ? id.replace(/#$/, '') : undefined
}

/** Resolves a JSON pointer (RFC 6901). */
function resolvePointer (document: unknown, pointer: string): unknown {
  if (pointer === '') return document
  if (!pointer.startsWith('/')) return undefined
  return decodeURIComponent(pointer).slice(1).split('/').reduce((target: unknown, token) => {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    return target === Object(target) && Object.hasOwn(target as object, key)
      ? (target as JsonSchema)[key]
      : undefined
  }, document)
}

/**
 * Returns the schema of the JSON form: Fastify accepts one per media type, as OpenAPI does.
 *
 * @throws {Error} with a sentence about the schema, if there is no JSON form
 */
export function jsonContent (schema: unknown) {
  if (!isPlainObject(schema) || !isPlainObject(schema.content)) return schema
  const media = schema.content['application/json']
  if (!isPlainObject(media)) throw new Error('its body has no application/json form')
  return media.schema
}
