/** Which option may have been meant by a name that is not one? */
import { maxComparedChars } from '../limits.ts'

const ofVerifiers = new Set([
  'algorithms',
  'cachefor',
  'clocktolerance',
  'jwksuri',
  'jwksurl',
  'maxtokenlifetime',
  'metadataurl',
  'requiresubject'
])

/**
 * Advises on a name that is not an option: snake_case, mistyped, or an option of another place
 * (`client_id` is `clientId`, `tools` is `mcp.tools`). Never "remove it": an option of a guard that
 * is left out by mistake may let callers in.
 */
export function suggestion (name: string, options: readonly string[]): string {
  if (/^clients\.\d+\..*secret/i.test(name)) return 'Give the hash of the secret, as secretHashes'
  if (ofVerifiers.has(flat(name))) return 'It belongs to a verifier: tokens: jwtVerifier({ … })'
  const meant = options.find(known => known !== name && flat(known) === flat(name)) ??
    nearest(name, options)
  return meant ? `Did you mean ${meant}?` : 'See docs/options.md for those there are'
}

/** The known name nearest to a mistyped or shortened one; `undefined` if none is near. */
export function nearest (name: string, known: readonly string[]): string | undefined {
  const [best] = known.map(candidate => ({
    candidate,
    distance: distanceOf(flat(candidate), flat(name))
  }))
    .filter(({ distance }) => distance <= Math.min(3, flat(name).length / 3))
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

function flat (path: string): string {
  return path.slice(path.lastIndexOf('.') + 1).replaceAll('_', '').toLowerCase()
}

/**
 * Distance of two names. If they only differ in how they continue, their beginning counts:
 * `includeOps`, `tokenVerifier`.
 */
function distanceOf (known: string, name: string): number {
  const shorter = Math.min(known.length, name.length)
  const whole = edits(known, name)
  return shorter < 6
    ? whole
    : Math.min(whole, edits(known.slice(0, shorter), name.slice(0, shorter)) + 0.5)
}

/** Levenshtein distance. Names too long for any option are not compared. */
function edits (from: string, to: string): number {
  if (to.length > maxComparedChars) return Infinity
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (let at = 0; at < to.length; at++) {
      next.push(
        Math.min(
          (row[at + 1] ?? 0) + 1,
          (next[at] ?? 0) + 1,
          (row[at] ?? 0) + (letter === to[at] ? 0 : 1)
        )
      )
    }
    row = next
  }
  return row[to.length] ?? 0
}
