/** Which members do the schemas of a request list? */

import { isPlainObject } from '../../util/json.ts'
import type { Reader } from './json-schema.ts'
import { type Located, partOf } from './references.ts'

/** The members of a part of a request. */
export interface Members {
  /** The schemas of each member: all of them apply, or one of several does. */
  properties: Map<string, { keyword: 'allOf' | 'anyOf', schemas: Located[] }>
  required: Set<string>
  /** The schema of members that are not listed. `undefined` without such a schema. */
  rest: Located | boolean | undefined
}

/** Returns a part without members. */
function noMembers (): Members {
  return { properties: new Map(), required: new Set(), rest: undefined }
}

/**
 * Collects the members of an object, also those of the schemas it consists of (`$ref`, `allOf`,
 * `anyOf`, `oneOf`). A member of some alternatives only is optional.
 */
export function collectMembers (
  from: Located,
  reader: Reader,
  members = noMembers(),
  trail: readonly unknown[] = []
): Members {
  const { schema } = from
  if (!isPlainObject(schema) || trail.includes(schema)) return members
  const collect = (part: Located | undefined, into = members) =>
    part ? collectMembers(part, reader, into, [...trail, schema]) : into
  const parts = (list: unknown) => asList(list).map(item => partOf(from, item))
  collect(reader.target(from))
  for (const [name, item] of Object.entries(schema.properties ?? {})) {
    const schemas = members.properties.get(name)?.schemas ?? []
    members.properties.set(name, { keyword: 'allOf', schemas: [...schemas, partOf(from, item)] })
  }
  for (const name of asList(schema.required)) members.required.add(String(name))
  for (const part of parts(schema.allOf)) collect(part)
  for (const alternatives of [schema.anyOf, schema.oneOf]) {
    addAlternatives(members, parts(alternatives).map(part => collect(part, noMembers())))
  }
  const rest = schema.additionalProperties ?? schema.unevaluatedProperties
  if (rest === false) members.rest = false
  else if (rest === true || schema.patternProperties !== undefined) members.rest ??= true
  else if (rest !== undefined) members.rest ??= partOf(from, rest)
  return members
}

/** Adds members of alternatives. A member that the object lists itself keeps its schema. */
function addAlternatives (members: Members, branches: Members[]) {
  const names = new Set(branches.flatMap(({ properties }) => [...properties.keys()]))
  for (const name of names) {
    if (members.properties.has(name)) continue
    const schemas = branches.flatMap(({ properties }) => properties.get(name)?.schemas ?? [])
    members.properties.set(name, { keyword: 'anyOf', schemas })
  }
  if (branches.some(({ rest }) => rest)) members.rest ??= true
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
