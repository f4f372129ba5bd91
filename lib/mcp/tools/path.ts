/** How is the path of a route filled with arguments? */

/** Fixed text in the path of a route, or a parameter. That of a wildcard is called `*`. */
export type PathPart = string | {
  name: string
  optional: boolean
  /** The route's own regular expression, as a pattern of JSON Schema. */
  pattern?: string
}

/**
 * Parses a path in the syntax of the router: `:name`, `:name(regex)`, `:name?`, several parameters
 * in a segment, `::` for a colon, and `*` at the end for the rest of the path.
 */
export function parsePath (path: string): PathPart[] {
  const parts: PathPart[] = []
  let text = ''
  for (let at = 0; at < path.length;) {
    const [token = '', fixed, name = '*'] =
      /^(?:(::|[^:*]+)|\*|:([^/\-.(?:]*))/.exec(path.slice(at)) ?? []
    at += token.length
    if (fixed !== undefined) {
      text += fixed === '::' ? ':' : fixed
      continue
    }
    const end = skipPattern(path, at)
    const pattern = patternOf(path.slice(at + 1, end - 1))
    const optional = path[end] === '?'
    at = optional ? end + 1 : end
    parts.push(text, { name, optional, ...(pattern && { pattern }) })
    text = ''
  }
  return [...parts, text].filter((part) => part !== '')
}

/** Returns the expression as the router reads it, for the whole value. */
function patternOf (expression: string) {
  if (expression === '') return undefined
  try {
    // Expressions of JSON Schema have the flag `u`.
    return new RegExp(`^(?:${expression.replace(/^\^|\$$/g, '')})$`, 'u').source
  } catch {
    return undefined
  }
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
 * Fills the parameters with encoded values. The value of a parameter stays in its segment, slashes
 * included. The value of a wildcard stays below the text before it.
 *
 * @param values by the names of the parameters
 * @returns `null` if a value is missing, empty, or may lead to another path (`.`, `..`)
 */
export function fillPath (
  parts: readonly PathPart[],
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
    const segments = part.name === '*' ? text.split('/') : [text]
    if (part.name === '*' ? !isSafePath(text) : /^\.{0,2}$/.test(text)) return null
    if (/\p{Surrogate}/u.test(text)) return null
    path += segments.map(encodeURIComponent).join('/')
  }
  return path
}

/** The handler may decode the rest of a path again, or find a file by it. */
function isSafePath (text: string, rounds = 5): boolean {
  const decoded = text.replace(
    /%([0-9a-f]{2})/gi,
    (_, code) => String.fromCharCode(parseInt(code, 16))
  )
  if (decoded !== text) return rounds > 0 && isSafePath(decoded, rounds - 1)
  // eslint-disable-next-line no-control-regex
  return !/[\\\u0000-\u001f\u007f]/.test(text) &&
    text.split('/').every(segment => !/^\.{0,2}$/.test(segment))
}
