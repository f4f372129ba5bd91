/** Does a configured value fit its schema, and how is a mistake described? */
import { Kind, TypeRegistry, type TSchema } from '@sinclair/typebox'
import { Check } from '@sinclair/typebox/value'
import { Errors, ValueErrorType, type ValueError } from '@sinclair/typebox/errors'
import leven from 'leven'
import { quoted } from '../errors.ts'
import { maxComparedChars, maxOptionProblems } from '../limits.ts'

/** Kind of a schema with a rule that JSON Schema cannot express; `checked()` makes them. */
export const checkedKind = 'fastify-mcp-oauth.checked'
TypeRegistry.Set<{ base: TSchema, problemOf: (value: unknown) => string | null }>(
  checkedKind,
  ({ base, problemOf }, value) => Check(base, value) && problemOf(value) === null
)

/** One mistake in a value. */
interface Problem {
  /** JSON Pointer (RFC 6901) into the value; empty for the value itself. */
  path: string
  /** The mistaken value, `undefined` if it is missing. It may be a secret: never print it raw. */
  value: unknown
  /** The expected value in words; `null` for a member that the schema does not have. */
  expected: string | null
  /** Set if the type is right and the value is not: the predicate of a sentence about the value. */
  predicate: string | null
}

/**
 * Checks a value against a schema exactly as it is: nothing is coerced, defaulted or removed.
 *
 * @returns at most 50 problems, one for each path
 */
export function problemsOf (schema: TSchema, value: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  for (const problem of innermost(Errors(schema, value))) {
    if (!problems.has(problem.path)) problems.set(problem.path, problem)
    if (problems.size === maxOptionProblems) break
  }
  return [...problems.values()]
}

/** Where one alternative of a union fits except for a member, reports that member. */
function* innermost (errors: Iterable<ValueError>, base = ''): Generator<Problem> {
  for (const error of errors) {
    const { schema, value } = error
    const path = base + error.path
    const inside = error.errors.map(alternative => [...alternative]).find(alternative =>
      alternative.length > 0 && alternative.every(({ path }) => path !== error.path)
    )
    const isChecked = schema[Kind] === checkedKind && value !== undefined
    const typeErrors = isChecked ? [...Errors(schema.base, value)] : []
    if (inside) yield* innermost(inside, base)
    else if (typeErrors.length > 0) yield* innermost(typeErrors, path)
    else {
      const problem = isChecked ? schema.problemOf(value) : null
      const isUnknown = error.type === ValueErrorType.ObjectAdditionalProperties
      yield schema.isType
        ? { path, value, expected: problem ?? inWords(schema), predicate: null }
        : { path, value, expected: isUnknown ? null : inWords(schema), predicate: problem }
    }
  }
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
  if (value === undefined && path !== '') return `${name}: missing, expected ${expected}`
  const given = describe(value, quote && !/secret|token|jwks$|key/i.test(own))
  if (predicate === null) return `${name}: ${given} is given, expected ${expected}`
  return `${name}: ${typeof value === 'string' ? `${given} ` : ''}${predicate}`
}

/** A value in words: a string or number is quoted only if it cannot be a secret. */
function describe (value: unknown, quote: boolean) {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return value === null ? 'null' : 'an object'
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
export function flat (name: string) {
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
