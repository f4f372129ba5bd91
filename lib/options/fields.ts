import { startupError } from '../errors.ts'
import { problemOfServerUrl } from '../oauth/url.ts'
import { nearest } from './suggest.ts'
import { inWords } from './sentence.ts'

/** Says what is expected instead of a value, or `null` if it is good. */
export type Expectation = (value: unknown) => string | null

/**
 * Checks the options of a verifier: every one that is there, and that there are no others.
 *
 * @param more what is wrong beyond single options, as whole lines; asked once each option is good
 * @throws McpOAuthError `invalidOptions` naming the verifier and every bad option
 */
export function checkOptions<Options extends object> (
  verifier: string,
  options: Options,
  expectations: { [Name in keyof Required<Options>]: Expectation },
  more: (options: Options) => string[] = () => []
): void {
  if (typeof options !== 'object' || options === null) {
    throw startupError(
      'invalidOptions',
      `${verifier}: ${inWords('', options)} is given, expected an object`
    )
  }
  const given = new Map<string, unknown>(Object.entries(options))
  const known = new Map(Object.entries<Expectation>(expectations))
  const problems = [...known].flatMap(([name, expectation]) => {
    const value = given.get(name)
    const expected = expectation(value)
    return expected === null
      ? []
      : [
        `${verifier}.${name}: ${
          value === undefined ? 'missing' : `${inWords(name, value)} is given`
        }, expected ${expected}`
      ]
  })
  for (const name of given.keys()) {
    if (known.has(name)) continue
    const meant = nearest(name, [...known.keys()])
    problems.push(
      `${verifier}.${name}: there is no such option. ${
        meant ? `Did you mean ${meant}?` : `There are ${[...known.keys()].join(', ')}`
      }`
    )
  }
  if (problems.length === 0) {
    problems.push(...more(options).map(problem => `${verifier}.${problem}`))
  }
  if (problems.length > 0) throw startupError('invalidOptions', ...problems)
}

/** An option that may be left out. */
export function optional (expectation: Expectation): Expectation {
  return value => value === undefined ? null : expectation(value)
}

/** A value for which something holds. */
export function expect (expected: string, holds: (value: unknown) => boolean): Expectation {
  return value => holds(value) ? null : expected
}

/** The URL of a server. */
export function url (rules: { query?: boolean } = {}): Expectation {
  return value => {
    const problem = problemOfServerUrl(value, rules)
    return problem === null
      ? null
      : problem === 'must be a URL'
      ? 'a URL'
      : `a URL, which ${problem}`
  }
}

/** A number within limits, both of them good. */
export function seconds (least: number, most: number): Expectation {
  return expect(
    `${least} to ${most} seconds`,
    value => typeof value === 'number' && value >= least && value <= most
  )
}

/** Text that is not empty. */
export const text = expect(
  'a string that is not empty',
  value => typeof value === 'string' && value !== ''
)

/** One audience or several. */
export const audiences = optional(
  expect(
    'a string or a list of strings, none of them empty',
    value => [value].flat().every(one => text(one) === null)
  )
)

/** Where failures are reported. */
export const logger = optional(
  expect('a logger such as app.log', value => typeof Object(value).warn === 'function')
)
