/** A JSON Schema in object form. */
export type JsonSchema = Record<string, unknown>

/** Keywords by what they hold; all others hold data and are copied as they are. */
const schemaKeywords = new Set([
  'items',
  'additionalItems',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else'
])
const listKeywords = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems', 'items'])
const mapKeywords = new Set(['properties', 'patternProperties', 'dependentSchemas'])
/** Needed only as the targets of references, of which none are left. */
const droppedKeywords = new Set([
  '$id',
  '$schema',
  '$anchor',
  '$comment',
  'definitions',
  '$defs',
  'nullable'
])

/**
 * Copies a schema with every `$ref` replaced by what it refers to: inside itself, or one of the
 * `shared` schemas by `$id`. Nothing is ever fetched. A schema that contains itself is cut where it
 * starts to repeat: there, anything goes. Symbols and undefined members are lost.
 *
 * Throws an `Error` with a sentence about the schema if a reference leads nowhere.
 */
export function inlineSchema (
  schema: unknown,
  shared: Readonly<Record<string, unknown>>
): JsonSchema {
  return asSchema(inline(schema, schema, []))

  function inline (value: unknown, root: unknown, trail: readonly unknown[]): unknown {
    if (!isSchema(value)) return value
    // A schema of a validation library of its own (a Zod object, say) would come out as its inner
    // workings.
    if ('~standard' in value) throw new Error('it is not a JSON Schema')
    if (typeof value.$ref === 'string') return inlineReference(value, value.$ref, root, trail)

    const copy: JsonSchema = {}
    for (const [keyword, content] of Object.entries(value)) {
      if (content === undefined || droppedKeywords.has(keyword)) continue
      if (listKeywords.has(keyword) && Array.isArray(content)) {
        copy[keyword] = content.map((item) => inline(item, root, trail))
      } else if (schemaKeywords.has(keyword)) copy[keyword] = inline(content, root, trail)
      else if (mapKeywords.has(keyword) && isSchema(content)) {
        copy[keyword] = inlineMap(content, root, trail)
      } else copy[keyword] = content
    }
    // Fastify's serializer and validator know OpenAPI 3.0's word for it, clients do not.
    if (value.nullable === true && typeof copy.type === 'string') copy.type = [copy.type, 'null']
    return copy
  }

  function inlineMap (map: JsonSchema, root: unknown, trail: readonly unknown[]): JsonSchema {
    return Object.fromEntries(
      Object.entries(map).map(([name, item]) => [name, inline(item, root, trail)])
    )
  }

  function inlineReference (
    value: JsonSchema,
    reference: string,
    root: unknown,
    trail: readonly unknown[]
  ): unknown {
    const hash = reference.indexOf('#')
    const id = hash === -1 ? reference : reference.slice(0, hash)
    const document = id === '' ? root : findDocument(id, root)
    const target = document &&
      resolvePointer(document, hash === -1 ? '' : reference.slice(hash + 1))
    if (target === undefined) {
      throw new Error(`the reference ${JSON.stringify(reference)} leads nowhere`)
    }
    if (trail.includes(target)) return {}
    const { $ref, ...besides } = value
    const resolved = inline(target, document, [...trail, target])
    return isSchema(resolved)
      ? { ...resolved, ...(inline(besides, root, trail) as JsonSchema) }
      : resolved
  }

  function findDocument (id: string, root: unknown): unknown {
    if (isSchema(root) && idOf(root) === id) return root
    return shared[id] ?? shared[`${id}#`] ?? findEmbedded(root, id)
  }
}

/** A definition that has an `$id` of its own, as TypeBox writes recursive types. */
function findEmbedded (root: unknown, id: string): unknown {
  if (!isSchema(root)) return undefined
  if (idOf(root) === id) return root
  for (const content of Object.values(root)) {
    for (const item of Array.isArray(content) ? content : [content]) {
      const found = findEmbedded(item, id)
      if (found !== undefined) return found
    }
  }
  return undefined
}

function idOf (schema: JsonSchema): unknown {
  return typeof schema.$id === 'string' ? schema.$id.replace(/#$/, '') : undefined
}

/** RFC 6901. */
function resolvePointer (document: unknown, pointer: string): unknown {
  if (pointer === '') return document
  if (!pointer.startsWith('/')) return undefined
  let target = document
  for (const token of decodeURIComponent(pointer).slice(1).split('/')) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (
      typeof target !== 'object' || target === null || !Object.hasOwn(target, key)
    ) { return undefined }
    target = (target as JsonSchema)[key]
  }
  return target
}

function asSchema (value: unknown): JsonSchema {
  if (!isSchema(value)) throw new Error('it is not a JSON Schema')
  return value
}

/** Whether a value is a schema in object form. */
export function isSchema (value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
