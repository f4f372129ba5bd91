/** How is a single option declared: its type, its default, its rule? */
import type {
  OptionalKind,
  Static,
  TObject,
  TOptional,
  TProperties,
  TSchema,
  TUnsafe
} from '@sinclair/typebox'
import { startupError } from '../errors.ts'
import { hostProblem, originProblem } from '../oauth/origin.ts'
import { isScopeToken, parseScope } from '../oauth/scope.ts'
import { problemOfServerUrl } from '../oauth/url.ts'
import { Type } from '../schemas/type.ts'
import type { Log } from '../types.ts'
import { problemsOf, sentenceOf, suggestion, unset } from './check.ts'

export { unset }
export type { TSchema, TUnsafe }

/** The options that fields declare. */
export type OptionsOf<Fields extends TProperties> = Static<TObject<Fields>>

/** For an object that may have no other members. */
export const closed = { additionalProperties: false }

/**
 * A schema with a rule of its own.
 *
 * @param base the type; the rule sees no value of another type
 * @param problemOf the predicate of a sentence about an invalid value (`must use https`), or `null`
 */
export function checked<Base extends TSchema> (
  base: Base,
  problemOf: (value: Static<Base>) => string | null
) {
  return Type.Unsafe<Static<Base>>({ base, problemOf })
}

/** An optional member that may also be `undefined`, as an unset environment variable is. */
export function fromEnv<Schema extends TSchema> (schema: Schema) {
  return Type.Optional(Type.Unsafe<Static<Schema> | undefined>(schema))
}

/** An optional member with a default. TypeBox has `default` as `any`, hence another keyword. */
export interface WithDefault<Schema extends TSchema, Value> extends TSchema {
  [OptionalKind]: 'Optional'
  static: Static<Schema>
  fallback: Value
  /** For types only. */
  of?: Schema
}

/**
 * Gives a member a default. A default of `null` means: decided where the option is used.
 */
export function withDefault<Schema extends TSchema, const Value extends Static<Schema> | null> (
  fallback: Value,
  schema: Schema
): WithDefault<Schema, Value> {
  return Type.Optional({ ...schema, fallback }) as never
}

/** Text that is not empty. */
export const text = Type.String({ minLength: 1 })

/** True or false. */
export const flag = Type.Boolean()

/** A value of the provider's. Secrets from files often end with a line feed. */
export const setting = checked(text, value => {
  if (value !== value.trim()) return 'begins or ends with white space. Remove that'
  const isUnset = /^(?:undefined|null|\$\{?\w+\}?)$/.test(value)
  return isUnset ? 'stands for a missing value. Is the environment variable set?' : null
})

/** An object whose optional members may also be `null`, as computed ones often are. */
export type WithNulls<Written> = {
  [Name in keyof Written]: object extends Pick<Written, Name> ? Written[Name] | null : Written[Name]
}

/** A list that is not empty, unless the options say so. */
export function list<Entry extends TSchema> (
  entry: Entry,
  options: { minItems?: number, maxItems?: number } = {}
) {
  return Type.Unsafe<ReadonlyArray<Static<Entry>>>(Type.Array(entry, { minItems: 1, ...options }))
}

/** A single scope (RFC 6749 §3.3). */
export const scope = checked(
  text,
  value =>
    isScopeToken(value) ? null : 'is not one scope (RFC 6749, section 3.3). Give each its own entry'
)

/** Scopes that a resource may require. */
export const requiredScopes = checked(
  list(scope, { minItems: 0 }),
  scopes =>
    scopes.includes('offline_access')
      ? 'offline_access asks for a refresh token, so no resource can require it. Remove it'
      : null
)

/** Scopes separated by spaces, or none. */
export const scopeString = checked(Type.String(), value => {
  try {
    parseScope(value)
    return null
  } catch {
    return 'is not a list of scopes. Separate them by spaces'
  }
})

/** An origin of web pages. */
export const origin = checked(text, originProblem)

/** A value of the Host header. */
export const host = checked(text, hostProblem)

/** One of several words. */
export function oneOf<const Words extends string[]> (...words: Words) {
  return Type.Unsafe<Words[number]>(Type.Union(words.map(word => Type.Literal(word))))
}

/** A function. */
export const callable = <Signature>() => Type.Unsafe<Signature>(Type.Function([], Type.Unknown()))

/** An object with methods, its own or those of its class. */
export const instance = <Shape>(methods: string, article = 'an') =>
  expect<Shape>(
    `${article} object with the methods ${methods}`,
    value => methods.split(', ').every(name => typeof Object(value)[name] === 'function')
  )

/** A value for which a condition holds. */
export function expect<Value> (
  expected: string,
  holds: (value: unknown) => boolean | string
) {
  return Type.Unsafe<Value>({
    base: Type.Unknown(),
    description: expected,
    isType: true,
    problemOf (value: unknown) {
      const answer = holds(value)
      return answer === true ? null : answer || expected
    }
  })
}

/** A path without a trailing slash. */
export function path (example: string, pattern: string) {
  return Type.String({
    pattern,
    description:
      `a path such as '${example}', without a slash at its end, query, parameter or wildcard`
  })
}

/**
 * The URL of a server.
 *
 * @param rules.query whether the URL may have a query; default `true`
 */
export function url (rules: { query?: boolean } = {}) {
  return checked(Type.String({ minLength: 1, description: 'a URL' }), value => {
    const problem = problemOfServerUrl(value, rules)
    return problem && `is given. It ${problem}`
  })
}

/** The issuer of tokens, which has no query (RFC 8414 §2). */
export const issuer = checked(
  url({ query: false }),
  value =>
    value.includes('/.well-known/')
      ? 'is the URL of a metadata document. Give the issuer that the document names'
      : null
)

/** A number of seconds between two limits, both included. */
export function seconds (least: number, most: number) {
  return expect<number>(
    `${least} to ${most} seconds`,
    value => typeof value === 'number' && value >= least && value <= most
  )
}

/** An option that may be left out. */
export function optional<Schema extends TSchema> (schema: Schema): TOptional<Schema> {
  return Type.Optional(schema) as TOptional<Schema>
}

/** One audience or several. */
export const audiences = fromEnv(
  expect<string | readonly string[]>(
    'a string or a list of strings, none of them empty',
    value => [value].flat().every(entry => typeof entry === 'string' && entry !== '')
  )
)

/** The log that failures are reported to. */
export const logger = fromEnv(
  expect<Log>('a logger such as app.log', value => typeof Object(value).warn === 'function')
)

/**
 * Checks the options of a function: each one, and that there are no others.
 *
 * @param owner name of the function, which begins every line
 * @param rules.more problems beyond single options, as whole lines that begin with the option
 * @param rules.quote whether values may be repeated in messages; default `true`, secrets never are
 * @throws {McpOAuthError} `invalidOptions` naming every problem
 */
export function checkOptions<Options extends object> (
  owner: string,
  options: Options,
  fields: { [Name in keyof Required<Options>]: TSchema },
  { more: others = () => [], quote = true }: {
    more?: (options: Options) => string[]
    quote?: boolean
  } = {}
) {
  const known = Object.keys(fields)
  const advise = (name: string) => suggestion(name, known, `Use ${known.join(', ')}`)
  const problems = problemsOf(Type.Object(fields, closed), options)
    .map(problem => sentenceOf(problem, { owner, advise, quote }))
  if (options === Object(options)) {
    const more = others(options).map(problem => `${owner}.${problem}`)
    const namesOf = (lines: string[]) => lines.map(line => line.split(':', 1)[0])
    // Two lines about one option would contradict each other.
    problems.push(...more.filter((_, at) => !namesOf(problems).includes(namesOf(more)[at])))
  }
  if (problems.length > 0) throw startupError('invalidOptions', ...problems)
}
