/** A route's path as a list of fixed text and named holes. */
export type PathPart = string | { name: string, optional: boolean }

/**
 * Reads a path in the router's syntax: `:name`, `:name(regex)`, `:name?`, several parameters in a
 * segment, and `::` for a colon.
 * `null` for a path with a wildcard, which has no fixed set of parameters.
 */
export function parsePath (path: string): PathPart[] | null {
  const parts: PathPart[] = []
  let text = ''
  let at = 0
  while (at < path.length) {
    if (path[at] === '*') return null
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

/** The position after the parenthesised expression that starts at `at`, if one does. */
function skipPattern (path: string, at: number): number {
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
 * Fills the holes with encoded values. `null` where a value is missing, empty, or would name
 * another path (`.`, `..`); what is encoded cannot: not even a slash leaves its segment.
 */
export function fillPath (
  parts: readonly PathPart[],
  values: Readonly<Record<string, unknown>>
): string | null {
  let path = ''
  for (const part of parts) {
    if (typeof part === 'string') {
      path += part
      continue
    }
    const value = values[part.name]
    if (value === undefined && part.optional) {
      return path.endsWith('/') && path.length > 1
        ? path.slice(0, -1)
        : path
    }
    const text =
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : ''
    if (text === '' || /\p{Surrogate}/u.test(text) || /^\.{1,2}$/.test(text)) return null
    path += encodeURIComponent(text)
  }
  return path
}
