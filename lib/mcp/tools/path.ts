/** How is the path of a route filled with arguments? */

/** A route's path as a list of fixed text and parameters. */
export type PathPart = string | { name: string, optional: boolean }

/**
 * Parses a path in the syntax of the router: `:name`, `:name(regex)`, `:name?`, several parameters
 * in a segment, and `::` for a colon. Paths with wildcards have no fixed set of parameters.
 */
export function parsePath (path: string): PathPart[] {
  const parts: PathPart[] = []
  let text = ''
  let at = 0
  while (at < path.length) {
    if (path[at] !== ':' || path[at + 1] === ':') {
      at += path[at] === ':' ? 2 : 1
      text += path[at - 1]
      continue
    }
    const name = /^[^/\-.(?:]*/.exec(path.slice(at + 1))?.[0] as string
    at = skipPattern(path, at + 1 + name.length)
    const optional = path[at] === '?'
    if (optional) at++
    parts.push(text, { name, optional })
    text = ''
  }
  return [...parts, text].filter((part) => part !== '')
}

/** The position after the parenthesised expression that starts at `at`, if there is one. */
function skipPattern (path: string, at: number) {
  if (path[at] !== '(') return at
  let depth = 0
  for (; at < path.length; at++) {
    if (path[at] === '\\') at++
    else if (path[at] === '(') depth++
    else if (path[at] === ')' && --depth === 0) return at + 1
  }
  return at
}

/**
 * Fills the parameters with encoded values. An encoded value stays in its segment, slashes
 * included.
 *
 * @returns `null` if a value is missing, empty, or names another path (`.`, `..`)
 */
export function fillPath (
  parts: PathPart[],
  values: Record<string, unknown>
) {
  let path = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      path += part
      continue
    }
    const value = values[part.name]
    if (value === undefined && part.optional) return path.replace(/(?<=.)\/$/, '')
    const text = ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : ''
    if (text === '' || /\p{Surrogate}/u.test(text) || /^\.{1,2}$/.test(text)) return null
    path += encodeURIComponent(text)
  }
  return path
}
