/** Does a configured value fit its schema, and how is a mistake described? */
import type { TSchema } from '@sinclair/typebox'
import leven from 'leven'
import { quoted } from '../errors.ts'
import { maxComparedChars, maxOptionProblems } from '../limits.ts'

/** One mistake in a value. */
interface Problem {
  /** JSON Pointer (RFC 6901) into the value; empty for the value itself. */
  path: string
  /** The mistaken value, or {@link absent}. It may be a secret: never print it raw. */
  value: unknown
  /** The expected value in words; `null` for a member that the schema does not have. */
  expected: string | null
  /** Set if the type is right and the value is not: the predicate of a sentence about the value. */
  predicate: string | null
}

/** The value of a missing member, unlike that of one whose environment variable is not set. */
const absent = Symbol('absent')

/** Whether an option has an effect: computed lists may be empty. */
export const isGiven = (value: unknown) => value && !(Array.isArray(value) && value.length === 0)

/** The problem of an option from the environment that is missing there. */
export const unset = 'undefined is given. Is the environment variable set?'

/**
 * Checks a value against a schema exactly as it is: nothing is coerced, defaulted or removed.
 *
 * @returns at most 50 problems, one for each path
 */
export function problemsOf (schema: TSchema, value: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  for (const problem of mistakes(schema, value)) {
    if (!problems.has(problem.path)) problems.set(problem.path, problem)
    if (problems.size === maxOptionProblems) break
  }
  return [...problems.values()]
}

/** Finds mistakes as TypeBox does, which takes longer to load than all the rest of a start. */
function* mistakes (schema: TSchema, value: unknown, path = ''): Generator<Problem> {
  const { anyOf, base, type, properties, patternProperties } = schema
  const own = { path, value, expected: inWords(schema), predicate: null }
  if (base !== undefined) return yield* mistakesOfChecked(schema, own)
  if (anyOf !== undefined) {
    const found: Problem[][] = anyOf.map((schema: TSchema) => [...mistakes(schema, value, path)])
    if (found.some(({ length }) => length === 0)) return
    // Where one alternative fits except for a member, reports that member.
    return yield* found.find(inside => inside.every(problem => problem.path !== path)) ?? [own]
  }
  if (!hasType(schema, value)) return yield own
  if (!isInRange(schema, value)) yield own
  if (type === 'array') {
    for (const [index, entry] of (value as unknown[]).entries()) {
      yield* mistakes(schema.items, entry, `${path}/${index}`)
    }
  }
  for (const ofAny of Object.values<TSchema>(patternProperties ?? {})) {
    for (const [name, member] of Object.entries(value as object)) {
      yield* mistakes(ofAny, member, pathOf(path, name))
    }
  }
  if (properties !== undefined) yield* mistakesOfMembers(schema, value as object, path)
}

function* mistakesOfChecked (schema: TSchema, own: Problem): Generator<Problem> {
  const { base, isType, problemOf } = schema
  const ofType = [...mistakes(base, own.value, own.path)]
  if (ofType.length > 0) return yield* own.value === undefined ? [own] : ofType
  const problem = problemOf(own.value)
  if (problem === null) return
  if (own.value === undefined) yield own
  else yield isType ? { ...own, expected: problem } : { ...own, predicate: problem }
}

function* mistakesOfMembers (schema: TSchema, value: object, path: string): Generator<Problem> {
  const { properties, required = [], additionalProperties, omitsNull } = schema
  const members = value as Readonly<Record<string, unknown>>
  const given = Object.getOwnPropertyNames(value)
  const missing = required.filter((name: string) => !given.includes(name))
  for (const name of missing) {
    const expected = inWords(properties[name])
    yield { path: pathOf(path, name), value: absent, expected, predicate: null }
  }
  for (const name of additionalProperties === false ? given : []) {
    if (Object.hasOwn(properties, name)) continue
    yield { path: pathOf(path, name), value: members[name], expected: null, predicate: null }
  }
  for (const [name, member] of Object.entries<TSchema>(properties)) {
    const isOmitted = members[name] === undefined || (omitsNull && members[name] === null)
    const isChecked = !isOmitted || required.includes(name)
    if (isChecked && !missing.includes(name)) {
      yield* mistakes(member, members[name], pathOf(path, name))
    }
  }
}

function pathOf (path: string, name: string) {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

function hasType ({ const: constant, type }: TSchema, value: unknown) {
  if (constant !== undefined) return value === constant
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return kindOf(value) === 'Object'
  return [undefined, typeof value].includes(type?.toLowerCase())
}

/** The members of a map or of a date are elsewhere than those of an object. */
function kindOf (value: unknown) {
  return Object.prototype.toString.call(value).slice(8, -1)
}

/** Whether a value of the right type has the size and the form of its schema. */
function isInRange (schema: TSchema, value: unknown) {
  const { minimum, minLength = 0, minItems = minLength, maxLength, pattern = '' } = schema
  const { maxItems = maxLength ?? Infinity } = schema
  if (typeof value === 'number') return !(value < minimum)
  if (typeof value !== 'string' && !Array.isArray(value)) return true
  return value.length >= minItems && value.length <= maxItems &&
    (typeof value !== 'string' || new RegExp(pattern).test(value))
}

const types: Readonly<Record<string, string>> = {
  string: 'a string',
  boolean: 'true or false',
  integer: 'a whole number',
  object: 'an object',
  Function: 'a function'
}

/** The values that fit a schema, as a noun phrase. */
function inWords (schema: TSchema): string {
  const { description, anyOf, const: constant, type, minimum, maxLength } = schema
  const { minLength = 0, minItems = 0 } = schema
  if (description !== undefined) return description
  if (schema.base !== undefined) return inWords(schema.base)
  if (anyOf !== undefined) return anyOf.map(inWords).join(' or ')
  if (constant !== undefined) {
    return typeof constant === 'string' ? `'${constant}'` : String(constant)
  }
  if (type === 'array') {
    return `a list${minItems > 0 ? ' that is not empty' : ''}, each entry ${inWords(schema.items)}`
  }
  if (maxLength !== undefined) return `a string of ${minLength} to ${maxLength} characters`
  if (minLength === 1) return 'a string that is not empty'
  if (minLength > 1) return `a string of at least ${minLength} characters`
  return `${types[type] ?? type}${minimum === undefined ? '' : `, at least ${minimum}`}`
}

/**
 * A problem as a sentence: the option, the given value, the expected value, the remedy.
 *
 * @param options.owner begins the name of each option, as in `jwtVerifier.issuer`
 * @param options.advise advises on a name that is not an option
 * @param options.quote whether values may be repeated at all; secrets never are
 */
export function sentenceOf (
  { path, value, expected, predicate }: Problem,
  { owner = '', advise, quote = true }: {
    owner?: string
    advise: (name: string) => string
    quote?: boolean
  }
) {
  const own = path.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  const name = [owner, own].filter(Boolean).join('.') || 'options'
  if (expected === null) return `${name}: there is no such option. ${advise(own)}`
  if (value === absent) return `${name}: missing. Give ${expected}`
  if (value === undefined && path !== '') return `${name}: ${unset} Give ${expected}`
  const given = describe(value, quote && !/secret|token|jwks$|key/i.test(own))
  if (predicate === null) return `${name}: ${given} is given. Give ${expected}`
  return `${name}: ${typeof value === 'string' ? `${given} ` : ''}${predicate}`
}

/** A value in words: a string or number is quoted only if it cannot be a secret. */
function describe (value: unknown, quote: boolean) {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'function') return 'a function'
  if (value === null) return 'null'
  if (typeof value === 'object') {
    const kind = kindOf(value)
    return kind === 'Object' ? 'an object' : `an object (${kind})`
  }
  if (value === undefined) return 'undefined'
  if (value === '') return 'an empty string'
  if (typeof value !== 'string') return quote ? String(value) : `a ${typeof value}`
  return quote ? quoted(value) : `a string of ${value.length} characters`
}

/**
 * Advises on a name that is not an option. Never "remove it": an option of a guard that is left out
 * by mistake may let callers in.
 *
 * @param otherwise the advice where the name resembles no known one
 */
export function suggestion (name: string, known: readonly string[], otherwise: string) {
  const meant = nearest(name, known)
  return meant === undefined ? otherwise : `Did you mean ${meant}?`
}

/**
 * The known name nearest to a mistyped or shortened one: in another case, or of another place, if
 * there is none of the same.
 */
function nearest (name: string, known: readonly string[]) {
  const written = flat(name)
  if (written.length > maxComparedChars) return undefined
  const farness = (candidate: string) => Number(placeOf(candidate) !== placeOf(name))
  const [best] = known
    .map(candidate => ({ candidate, distance: distanceOf(flat(candidate), written) }))
    .filter(({ distance }) => distance <= Math.min(3, written.length / 3))
    .sort((a, b) => farness(a.candidate) - farness(b.candidate) || a.distance - b.distance)
  return best?.candidate
}

/** The place of `mcp.path` is `mcp`, and that of `clients.0.jwks` is `clients`. */
function placeOf (name: string) {
  return name.replace(/\.\d+/, '').replace(/\.?[^.]*$/, '')
}

/** The last part of an option's name, without its case: `mcp.include_tags` is `includetags`. */
function flat (name: string) {
  return name.slice(name.lastIndexOf('.') + 1).replaceAll('_', '').toLowerCase()
}

/**
 * Distance of two names. If they only differ in how they continue, their beginning counts:
 * `includeOps`, `tokenVerifier`. A short one must be the same: `gracePeriod`.
 */
function distanceOf (known: string, name: string) {
  const shorter = Math.min(known.length, name.length)
  const whole = leven(known, name)
  const beginning = leven(known.slice(0, shorter), name.slice(0, shorter))
  return beginning > shorter - 5 ? whole : Math.min(whole, beginning + 0.5)
}
