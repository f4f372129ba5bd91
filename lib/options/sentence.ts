import type { Problem } from './check.ts'

/**
 * A problem as a sentence: the option, what was given, what is expected. A secret is never
 * repeated.
 *
 * @param advise what to do about a name that nothing has
 */
export function sentenceOf (
  { path, value, expected }: Problem,
  advise: (name: string) => string
): string {
  const name = path.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  if (expected === null) return `${name}: there is no such option. ${advise(name)}`
  return `${name || 'options'}: ${
    value === undefined ? 'missing' : `${inWords(name, value)} is given`
  }, expected ${expected}`
}

/** What was given. A secret is shown by its kind alone, wherever it may have landed. */
export function inWords (name: string, value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return value === null ? 'null' : 'an object'
  if (value === '') return 'an empty string'
  if (/secret|token|jwks$|key/i.test(name)) {
    return `a ${typeof value}${typeof value === 'string' ? ` of ${value.length} characters` : ''}`
  }
  return typeof value === 'string'
    ? JSON.stringify(value.replace(/\/\/[^/?#]*@/, '//…@').slice(0, 100))
    : String(value)
}
