/** In which language does a browser want a page, and in which direction is that read? */
import { maxAcceptLanguageChars } from '../limits.ts'

/**
 * Picks the language that a reader prefers (RFC 9110 §12.5.4, RFC 4647 §3.4): `de-AT` finds `de`.
 * A range finds a language in its own script first, so `zh-TW` finds `zh-Hant` before `zh`, and
 * `zh` before the default. Languages with the weight 0 are never picked, but for the default.
 *
 * @param accepted the header `Accept-Language`
 * @param available language tags; the first one is the default
 */
export function pickLanguage (accepted: string | undefined, available: readonly string[]): string {
  const [first = 'en'] = available
  const ranges = (accepted ?? '').slice(0, maxAcceptLanguageChars).split(',').flatMap(rangeOf)
  const refused = ranges.filter(({ weight }) => weight === 0).map(({ range }) => range)
  const usable = available.filter(tag => !refused.some(range => isWithin(tag, range)))
  const wanted = ranges.filter(({ weight }) => weight > 0).sort((a, b) => b.weight - a.weight)
  for (const sameScript of [true, false]) {
    for (const { tags, script } of wanted) {
      const found = tags.flatMap(tag =>
        usable.find(name =>
          tag === '*' || (same(name, tag) && (!sameScript || scriptOf(name) === script))
        ) ?? []
      )
      if (found[0] !== undefined) return found[0]
    }
  }
  return first
}

/** A range with the tags that fit it, the best one first. Malformed ones are left out. */
function rangeOf (entry: string) {
  const [, range = '', q = '1'] = /^\s*([a-z\d*-]+)\s*(?:;\s*q=([\d.]+)\s*)?$/i.exec(entry) ?? []
  const weight = Number(q)
  if (!(weight >= 0 && weight <= 1)) return []
  if (range === '*') return [{ range, weight, tags: ['*'], script: undefined }]
  try {
    const { language, script } = new Intl.Locale(range).maximize()
    const parts = range.split('-')
    const tags = parts.map((_part, index) => parts.slice(0, parts.length - index).join('-'))
    return [{ range, weight, tags: tags.toSpliced(-1, 0, `${language}-${script}`), script }]
  } catch {
    return []
  }
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

const isWithin = (tag: string, range: string) =>
  same(tag, range) || tag.toLowerCase().startsWith(`${range.toLowerCase()}-`)

const scriptOf = (tag: string) => new Intl.Locale(tag).maximize().script

/** The direction of a language, as `dir` has it. */
export function directionOf (tag: string): 'ltr' | 'rtl' {
  return /Adlm|Arab|Hebr|Mand|Nkoo|Rohg|Syrc|Thaa/.test(scriptOf(tag) ?? '') ? 'rtl' : 'ltr'
}
