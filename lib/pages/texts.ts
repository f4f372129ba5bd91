/** Which texts does a page show to its reader? */
import { html } from 'ghtml'
import type { ConsentConfig } from '../options/consent.ts'
import type { PageLanguage } from '../options/page-details.ts'
import { directionOf, pickLanguage } from './language.ts'
import { en, type Messages, type PartialMessages } from './messages/en.ts'

/** The texts of all pages in the language of a reader. */
export interface Texts extends PageLanguage {
  readonly messages: Messages
}

/** Each language is loaded for its first reader. */
const loaders: Record<string, () => Promise<PartialMessages>> = {
  en: async () => en,
  de: async () => (await import('./messages/de.ts')).de,
  fr: async () => (await import('./messages/fr.ts')).fr,
  es: async () => (await import('./messages/es.ts')).es,
  pt: async () => (await import('./messages/pt.ts')).pt,
  ja: async () => (await import('./messages/ja.ts')).ja,
  zh: async () => (await import('./messages/zh.ts')).zh,
  ar: async () => (await import('./messages/ar.ts')).ar
}

const cache = new WeakMap<ConsentConfig, Map<string, Texts>>()

/**
 * Returns the texts in the language that a reader prefers: those of the operator, else ours in that
 * language, else English ones.
 *
 * @param accepted the header `Accept-Language`
 */
export async function textsFor (
  accepted: string | undefined,
  consent: ConsentConfig
): Promise<Texts> {
  const own = consent.messages ?? {}
  const tag = pickLanguage(accepted, [...new Set([...Object.keys(loaders), ...Object.keys(own)])])
  const known = cache.get(consent) ?? new Map<string, Texts>()
  cache.set(consent, known)
  const texts = known.get(tag) ?? await load(tag, own)
  known.set(tag, texts)
  return texts
}

async function load (language: string, own: Record<string, PartialMessages>): Promise<Texts> {
  const [base = ''] = language.split('-')
  const layers = [await loaders[base]?.(), own[base], own[language]]
  const messages = layers.reduce<object>(merge, en) as Messages
  return { language, direction: directionOf(language), messages }
}

/** Replaces the texts of a table by those that another one has. */
function merge (texts: object, others: object | undefined): object {
  const merged: Record<string, unknown> = { ...texts }
  for (const [name, value] of Object.entries(others ?? {})) {
    merged[name] = typeof value === 'string' ? value : merge(Object(merged[name]), value)
  }
  return merged
}

/** Puts values into the placeholders of a plain text. */
export function fill (text: string, values: Record<string, string>): string {
  return text.replace(
    /\{(\w+)\}/g,
    (placeholder, name: string) => Object.hasOwn(values, name) ? String(values[name]) : placeholder
  )
}

/** Returns a text as HTML, with values in its placeholders that are HTML. */
export function fillHtml (text: string, values: Record<string, string>): string {
  return fill(html`${text}`, values)
}
