import { readFileSync } from 'node:fs'

// Small changes in security paths, each with the tests that must fail. mutants.json has one a line,
// so that it can be searched: `find` occurs once in the file.

export interface Mutant {
  /** Below lib/. */
  file: string
  find: string
  replace: string
  /** Test files below test/. */
  tests: string[]
}

export const mutants = JSON.parse(
  readFileSync(new URL('mutants.json', import.meta.url), 'utf8')
) as Mutant[]

/** @throws {Error} unless the fragment occurs exactly once. */
export function mutate (
  source: string,
  { find, replace }: Pick<Mutant, 'find' | 'replace'>
): string {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`${parts.length - 1} occurrences of: ${find}`)
  return parts.join(replace)
}
