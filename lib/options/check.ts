import type { TSchema } from '@sinclair/typebox'
import { Errors, ValueErrorType, type ValueError } from '@sinclair/typebox/errors'

/** What is wrong with a value, and where. */
export interface Problem {
  /** JSON Pointer (RFC 6901) into the value; empty for the value itself. */
  path: string
  /**
   * What is there; `undefined` where something is missing. Not fit for print: it may be a secret.
   */
  value: unknown
  /**
   * What is expected, in words; `null` where nothing is, because the schema knows no such member.
   */
  expected: string | null
}

const limit = 50

/**
 * Holds a value to a schema exactly as it is: nothing is coerced, defaulted or removed. Reports 50
 * problems at most, one for each path.
 */
export function problemsOf (schema: TSchema, value: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of flat(Errors(schema, value))) {
    const { path, value, type } = error
    if (!problems.has(path)) {
      problems.set(path, {
        path,
        value,
        expected: type === ValueErrorType.ObjectAdditionalProperties ? null : wordsOf(error.schema)
      })
    }
    if (problems.size === limit) break
  }
  return [...problems.values()]
}

/**
 * Where one alternative of a union fits the value but for something inside it, that is what is
 * wrong.
 */
function* flat (errors: Iterable<ValueError>): Generator<ValueError> {
  for (const error of errors) {
    const inside = error.errors.map(alternative => [...alternative]).find(found =>
      found.length > 0 && found.every(({ path }) => path !== error.path)
    )
    if (inside) yield* flat(inside)
    else yield error
  }
}

const words: Readonly<Record<string, string>> = {
  string: 'a string',
  boolean: 'true or false',
  integer: 'a whole number',
  object: 'an object',
  Function: 'a function'
}

function wordsOf (
  {
    description,
    anyOf,
    const: constant,
    type,
    minLength = 0,
    maxLength,
    minimum,
    minItems = 0,
    items
  }: TSchema
): string {
  if (description !== undefined) return description
  if (anyOf !== undefined) return anyOf.map(wordsOf).join(' or ')
  if (constant !== undefined) {
    return typeof constant === 'string'
      ? `'${constant}'`
      : String(constant)
  }
  if (type === 'array') {
    return `a list${minItems > 0 ? ' that is not empty' : ''}, each entry ${wordsOf(items)}`
  }
  if (maxLength !== undefined) return `a string of ${minLength} to ${maxLength} characters`
  if (minLength > 0) {
    return minLength === 1
      ? 'a string that is not empty'
      : `a string of at least ${minLength} characters`
  }
  return `${words[type] ?? type}${minimum === undefined ? '' : `, at least ${minimum}`}`
}
