/** Which members do the schemas of a request list? */

import { isPlainObject } from '../../util/json.ts'
import type { Reader } from './json-schema.ts'
import { type Located, partOf } from './references.ts'

/** Whether all schemas of a member apply, or one of them does. */
type Keyword = 'allOf' | 'anyOf'

/** The members of a part of a request. */
export interface Members {
  properties: Map<string, { keyword: Keyword, schemas: Located[] }>
  required: Set<string>
  /** The schema of members that are not listed. `undefined` without such a schema. */
  rest: Located | boolean | undefined
}

/**
 * Collects the members of an object, also those of the schemas it consists of (`$ref`, `allOf`,
 * `anyOf`, `oneOf`). A member of alternatives is optional, and keeps any schema it has outside.
 *
 * @param keyword `anyOf` for an alternative
 */
export function collectMembers (
  from: Located,
  reader: Reader,
  members: Members = { properties: new Map(), required: new Set(), rest: undefined },
  keyword: Keyword = 'allOf',
  trail: readonly unknown[] = []
): Members {
  const { schema } = from
  if (!isPlainObject(schema) || trail.includes(schema)) return members
  const collect = (part: Located, as = keyword) =>
    collectMembers(part, reader, members, as, [...trail, schema])
  const target = reader.target(from)
  if (target) collect(target)
  for (const [name, item] of Object.entries(schema.properties ?? {})) {
    const known = members.properties.get(name)
    if (known?.keyword === 'allOf' && keyword === 'anyOf') continue
    const others = known?.keyword === keyword ? known.schemas : []
    members.properties.set(name, { keyword, schemas: [...others, partOf(from, item)] })
  }
  const rest = schema.additionalProperties ?? schema.unevaluatedProperties
  if (keyword === 'anyOf') {
    if (rest || schema.patternProperties) members.rest ??= true
  } else {
    for (const name of asList(schema.required)) members.required.add(String(name))
    if (rest === false) members.rest = false
    else if (rest === true || schema.patternProperties) members.rest ??= true
    else if (rest !== undefined) members.rest ??= partOf(from, rest)
  }
  for (const part of asList(schema.allOf)) collect(partOf(from, part))
  for (const part of [schema.anyOf, schema.oneOf].flatMap(asList)) {
    collect(partOf(from, part), 'anyOf')
  }
  return members
}

/**
 * Converts the members of a part to arguments of a tool.
 *
 * @param wanted whether a member becomes an argument
 */
export function listArguments (
  { properties, required }: Members,
  reader: Reader,
  wanted: (name: string, isRequired: boolean) => boolean = () => true
) {
  for (const name of required) {
    if (!properties.has(name)) properties.set(name, { keyword: 'allOf', schemas: [] })
  }
  const chosen = [...properties].filter(([name]) => wanted(name, required.has(name)))
  return chosen.map(([name, { keyword, schemas }]) => {
    const converted = schemas.map(reader.convert)
    return {
      name,
      schema: converted.length > 1 ? { [keyword]: converted } : converted[0] ?? {},
      // Fastify fills in defaults before it checks what is required.
      required: required.has(name) &&
        !schemas.some(({ schema }) => Object(schema).default !== undefined)
    }
  })
}

function asList (value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
