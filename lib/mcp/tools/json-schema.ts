/** How is a schema of a route converted to JSON Schema 2020-12? */

import { isPlainObject } from '../../util/json.ts'
import {
  type JsonSchema,
  type Located,
  type SharedSchemas,
  asJson,
  maxHops,
  partOf,
  rootOf,
  targetOf
} from './references.ts'
import { uniqueName } from './slug.ts'

/** A Fastify route schema. Plugins may replace the types of its members. */
export type RouteSchema = Record<string, unknown>

/** A reader of the schemas of one tool. */
export type Reader = ReturnType<typeof createReader>

/** A target of references. */
interface Definition {
  name: string
  schema: JsonSchema
  /** The schemas that refer to it. */
  uses: JsonSchema[]
}

/** A set of keywords, which are separated by spaces. */
export const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))

const schemaKeywords = words(
  'additionalProperties unevaluatedProperties unevaluatedItems contains propertyNames ' +
    'not if then else items'
)
const listKeywords = words('allOf anyOf oneOf prefixItems')
const mapKeywords = words('properties patternProperties dependentSchemas')
/** Targets of references, which are published in `$defs`, and hints that are no JSON Schema. */
const droppedKeywords = words('$id $schema $anchor $comment definitions $defs discriminator isFile')
const jsonTypes = words('string number integer boolean object array null')
const annotationKeywords = words(
  'title description examples example default deprecated readOnly writeOnly'
)
/** Keywords that Fastify's serializer guarantees, whatever the handler returns. */
export const serializedKeywords = words(
  'type properties items prefixItems additionalProperties anyOf oneOf allOf title description'
)

/**
 * Creates a reader that converts schemas (draft-07, OpenAPI 3.0, Standard Schema) and collects the
 * targets of their references, each once.
 *
 * @param side which side of a schema that transforms its value
 * @param keywords the keywords to keep. All by default
 */
export function createReader (
  shared: SharedSchemas,
  side: 'input' | 'output',
  keywords?: ReadonlySet<string>
) {
  const definitions = new Map<unknown, Definition>()
  const names = new Set<string>()

  return { locate, target, follow, convert, definitions: publish }

  /**
   * Prepares a schema of a route.
   *
   * @throws {Error} with a sentence about the schema, if it has no form in JSON Schema
   */
  function locate (schema: unknown) {
    // fastify-type-provider-zod accepts `{ description, properties: z.object(…) }`.
    const wrapped = Object(schema).properties
    const json = fromStandard('~standard' in Object(wrapped) ? wrapped : schema, side)
    return rootOf(json)
  }

  /** Returns the target of the schema's reference, if it has one. */
  function target (schema: Located) {
    return targetOf(schema, shared)
  }

  /** Follows the references of a schema that is no more than one. */
  function follow (from: Located): Located {
    let at = from
    for (let hops = 0; hops < maxHops && onlyRefers(at.schema); hops++) at = target(at) ?? at
    return at
  }

  /**
   * Converts a schema, which refers to `definitions()`. The original does not change.
   *
   * @throws {Error} with a sentence about the schema, if a part is invalid
   */
  function convert (from: Located): JsonSchema {
    const { schema } = from
    if (schema === undefined || schema === null || schema === true) return {}
    if (schema === false) return keywords ? {} : { not: {} }
    if (!isPlainObject(schema) || '~standard' in schema) throw new Error('it is not a JSON Schema')
    const visit = (item: unknown) => convert(partOf(from, item))
    const { $ref, type, nullable, items, additionalItems, dependencies, ...others } = schema
    const modern = { ...others, ...tupleOf(schema), ...dependenciesOf(schema) }
    const types = [type].flat().map(String).filter(name => jsonTypes.has(name))
    const copy: JsonSchema = types.length > 0 ? { type: types.length > 1 ? types : types[0] } : {}
    const referred = target(from)
    if (referred) refer(String($ref), referred, copy)
    for (const [keyword, content] of Object.entries(modern)) {
      if (droppedKeywords.has(keyword) || keywords?.has(keyword) === false) continue
      const name = keywords && keyword === 'oneOf' ? 'anyOf' : keyword
      if (listKeywords.has(keyword) && Array.isArray(content)) copy[name] = content.map(visit)
      else if (mapKeywords.has(keyword) && isPlainObject(content)) {
        copy[name] = mapMembers(content, visit)
      } else if (schemaKeywords.has(keyword) && isPlainObject(content)) copy[name] = visit(content)
      else copy[name] = content
    }
    if (type === 'Date') Object.assign(copy, { type: 'string', format: 'date-time' })
    return finish(schema, copy, types)
  }

  /** Applies `nullable` of OpenAPI 3.0, and drops what is not guaranteed after all. */
  function finish (schema: JsonSchema, copy: JsonSchema, types: string[]) {
    const { $ref, allOf, anyOf, oneOf, patternProperties } = schema
    const isCombined = Boolean($ref ?? allOf ?? anyOf ?? oneOf)
    if (keywords) {
      delete copy.format
      if (isCombined || patternProperties || !isPlainObject(copy.additionalProperties)) {
        delete copy.additionalProperties
      }
      // Validators of draft-07 apply `items` to all items.
      if (copy.prefixItems || !isPlainObject(copy.items)) delete copy.items
      // Some validators read inherited members, such as `constructor`, as those of the answer.
      if (isPlainObject(copy.properties)) {
        copy.properties = Object.fromEntries(
          Object.entries(copy.properties).filter(([name]) => !(name in Object.prototype))
        )
      }
    }
    if (schema.nullable !== true || types.includes('null')) return copy
    if (types.length === 0 || (keywords && isCombined)) return { anyOf: [copy, { type: 'null' }] }
    return Object.assign(copy, { type: [...types, 'null'] })
  }

  function refer ($ref: string, target: Located, use: JsonSchema) {
    let definition = definitions.get(target.schema)
    if (definition === undefined) {
      const base = /[^/#]*[/#]*$/.exec($ref)?.[0].replace(/[^\w.-]/g, '') || 'root'
      definition = { name: uniqueName(base, names), schema: {}, uses: [] }
      names.add(definition.name)
      // Before its schema is converted, which may refer to it.
      definitions.set(target.schema, definition)
      definition.schema = convert(target)
    }
    definition.uses.push(use)
    use.$ref = `#/$defs/${definition.name}`
  }

  /** Returns the targets of references. A target with one use replaces it, for readability. */
  function publish (): Record<string, JsonSchema> {
    for (const [key, { schema, uses }] of [...definitions].reverse()) {
      const [use, ...more] = uses
      if (use === undefined || more.length > 0) continue
      const { $ref: _ref, ...siblings } = use
      if (!Object.keys(siblings).every(isAnnotation)) continue
      delete use.$ref
      Object.assign(use, schema, siblings)
      definitions.delete(key)
    }
    return Object.fromEntries([...definitions.values()].map(({ name, schema }) => [name, schema]))
  }
}

/** Checks whether a keyword describes a value and does not restrict it. */
export function isAnnotation (keyword: string) {
  return annotationKeywords.has(keyword)
}

function onlyRefers (schema: unknown) {
  return isPlainObject(schema) && typeof schema.$ref === 'string' &&
    Object.keys(schema).every(keyword =>
      keyword === '$ref' || isAnnotation(keyword) || droppedKeywords.has(keyword)
    )
}

/** Draft-07 has one keyword for lists and tuples. */
function tupleOf ({ items, additionalItems }: JsonSchema): JsonSchema {
  if (items === undefined) return {}
  if (!Array.isArray(items)) return { items }
  return {
    ...(items.length > 0 && { prefixItems: items }),
    ...(additionalItems !== undefined && { items: additionalItems })
  }
}

/** Draft-07 has one keyword for names and schemas that a member depends on. */
function dependenciesOf ({ dependencies }: JsonSchema): JsonSchema {
  if (!isPlainObject(dependencies)) return {}
  const schemas = Object.entries(dependencies).map(([name, needed]) =>
    [name, Array.isArray(needed) ? { required: needed } : needed] as const
  )
  return { dependentSchemas: Object.fromEntries(schemas) }
}

function mapMembers (members: JsonSchema, visit: (schema: unknown) => JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(members).map(([name, item]) => [name, visit(item)]))
}

/** Returns the JSON form among those per media type, which Fastify accepts as OpenAPI does. */
export function jsonContent (schema: unknown): unknown {
  const { content } = Object(schema)
  return isPlainObject(content) ? Object(content['application/json']).schema : schema
}

/**
 * Converts a Standard Schema, such as Zod's. Returns any other value as it is.
 *
 * @throws {Error} with a sentence about the schema, if its library cannot convert it
 */
function fromStandard (schema: unknown, side: 'input' | 'output'): unknown {
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
