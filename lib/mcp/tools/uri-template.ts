/** Which arguments does the URI of a resource have? (RFC 6570, levels 1 and 2) */

import { maxUrlChars } from '../../limits.ts'

/** A URI template with `{name}`, or `{+name}` for a value with slashes. */
export interface UriTemplate {
  names: readonly string[]
  /** Returns the decoded values of a URI, `null` for a URI of another resource. */
  match(uri: string): Record<string, string> | null
}

/**
 * Parses the URI template of a resource.
 *
 * @throws {Error} with a sentence about the template
 */
export function parseUriTemplate (template: string): UriTemplate {
  if (!/^[a-z][a-z\d+.-]*:[^\s\\]+$/i.test(template)) {
    throw new Error(`${JSON.stringify(template)} is no URI. Begin with a scheme: notes://{id}`)
  }
  const names: string[] = []
  const parts = template.split(/\{([^{}]*)\}/)
  const source = parts.map((text, index) => {
    if (index % 2 === 0) {
      if (/[{}]/.test(text)) {
        throw new Error(`a brace of ${JSON.stringify(template)} has no partner. Write {name}`)
      }
      return escape(text)
    }
    const [, reserved, name] = /^(\+?)(\w+)$/.exec(text) ?? []
    if (name === undefined || names.includes(name)) {
      throw new Error(`{${text}} is unknown or repeated. Use {name}, or {+name} for a whole path`)
    }
    names.push(name)
    const next = parts[index + 1] ?? ''
    if (next === '' && index + 2 < parts.length) {
      throw new Error(`{${text}} needs text between it and the next one`)
    }
    if (reserved === '') {
      // A value ends where the next text begins. Other choices would be tried without end.
      return `(${next && `(?:(?!${escape(next)})`}[^/?#\\s]${next && ')'}+)`
    }
    if (template.split('{+').length > 2) {
      throw new Error(`{${text}} is one of two. Use {+name} once`)
    }
    return '([^?#\\s]+)'
  }).join('')
  const pattern = new RegExp(`^${source}$`)
  return {
    names,
    match (uri) {
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
