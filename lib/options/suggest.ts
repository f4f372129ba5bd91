import { optionNames } from './schema.ts'

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
 * What may have been meant by an option there is not. Helps those who come from snake_case, mistype
 * a name or look for an option at another place:
 * `client_id` is `clientId`, `tools` is `mcp.tools`. What is forgotten about a guard may let
 * someone in, so "remove it" is never the advice.
 */
export function suggestion (name: string): string {
  if (/^clients\.\d+\..*secret/i.test(name)) return 'Give the hash of the secret, as secretHashes'
  if (ofVerifiers.has(flat(name))) return 'It belongs to a verifier: tokens: jwtVerifier({ … })'
  const meant = optionNames.find(known => known !== name && flat(known) === flat(name)) ??
    nearest(name, optionNames)
  return meant ? `Did you mean ${meant}?` : 'See docs/options.md for those there are'
}

/**
 * The known name that is nearest to a mistyped or shortened one; `undefined` where none is near.
 */
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
 * How far two names are apart. Of names that go on differently, the beginning counts: `includeOps`,
 * `tokenVerifier`.
 */
function distanceOf (known: string, name: string): number {
  const shorter = Math.min(known.length, name.length)
  const whole = edits(known, name)
  return shorter < 6
    ? whole
    : Math.min(whole, edits(known.slice(0, shorter), name.slice(0, shorter)) + 0.5)
}

/**
 * Letters to add, drop or exchange until one word is the other (Levenshtein). Names too long for
 * any option are not compared.
 */
function edits (from: string, to: string): number {
  if (to.length > 40) return Infinity
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
