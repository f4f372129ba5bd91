/** How does any text become a name that all clients accept? */

import { maxToolNameChars } from '../../limits.ts'

/** Returns the text without marks of letters, and with `_` for each run of other characters. */
export function slug (text: string) {
  if (/^[\w.-]*$/.test(text)) return text
  return text.normalize('NFKD').replace(/\p{M}/gu, '').replace(/[^a-z\d.-]+/gi, '_')
    .replace(/^_|_$/g, '')
}

/** Room for a number. */
const maxBaseChars = maxToolNameChars - '_999'.length

/** Adds a number to a name that is taken. */
export function uniqueName (base: string, taken: { has(name: string): boolean }): string {
  let name = base
  for (let number = 2; taken.has(name); number++) name = `${base.slice(0, maxBaseChars)}_${number}`
  return name
}
