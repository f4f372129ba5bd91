/** Which arguments does the URI of a resource have? (RFC 6570, levels 1 and 2) */

import { maxUrlChars } from '../../limits.ts'

/**
 * Parses the URI template of a resource, with `{name}`, or `{+name}` for a value with slashes.
 *
 * @throws {Error} with a sentence about the template
 */
export function parseUriTemplate (template: string) {
  if (!/^[a-z][a-z\d+.-]*:[^\s\\]+$/i.test(template)) {
    throw new Error(`${JSON.stringify(template)} is no URI. Begin with a scheme: notes://{id}`)
  }
  const parts = template.split(/\{(\+?\w+)\}/)
  const texts = parts.filter((_part, index) => index % 2 === 0)
  const variables = parts.filter((_part, index) => index % 2 === 1)
  const names = variables.map(name => name.replace('+', ''))
  if (
    texts.some(text => /[{}]/.test(text)) || texts.slice(1, -1).includes('') ||
    new Set(names).size < names.length || template.split('{+').length > 2
  ) {
    throw new Error(
      `${JSON.stringify(template)} is unclear. Use each {name} once, with text between two of ` +
        'them, and at most one {+name}, which is a whole path'
    )
  }
  const source = texts.map((text, index) => {
    const next = texts[index + 1]
    if (next === undefined) return escape(text)
    if (variables[index]?.startsWith('+')) return `${escape(text)}([^?#\\s]+)`
    // A value ends where the next text begins. Other choices would be tried without end.
    const end = next && `(?!${escape(next)})`
    return `${escape(text)}((?:${end}[^/?#\\s])+)`
  }).join('')
  const pattern = new RegExp(`^${source}$`)
  return {
    names,
    /** The text that all its URIs begin with. */
    start: texts[0] ?? '',
    /** Returns the decoded values of a URI, `null` for a URI of another resource. */
    match (uri: string): Record<string, string> | null {
      const values = uri.length > maxUrlChars ? null : pattern.exec(uri)
      if (values === null) return null
      try {
        return Object.fromEntries(
          names.map((name, index) => [name, decodeURIComponent(values[index + 1] ?? '')])
        )
      } catch {
        return null
      }
    }
  }
}

function escape (text: string) {
  return text.replace(/[$()*+.?[\\\]^|]/g, '\\$&')
}
