/** How can an operator change the pages that users see? */
import type { Static } from '@sinclair/typebox'
import { maxDisplayNameChars, maxLogoChars, maxLogoUrlChars, minTextContrast } from '../limits.ts'
import { en, type PartialMessages } from '../pages/messages/en.ts'
import { Type } from '../schemas/type.ts'
import { contrastOf, paper } from '../util/contrast.ts'
import { callable, checked, closed, flag, fromEnv, optional, type TSchema, text } from './fields.ts'
import type { ConsentDetails, ErrorPageDetails } from './page-details.ts'

export const displayName = Type.String({ minLength: 1, maxLength: maxDisplayNameChars })

const logoUrl = Type.String({
  maxLength: maxLogoUrlChars,
  pattern: String.raw`^(/(?![/\\])[^\s\\]*|data:image/(png|jpeg|gif|webp|avif|svg\+xml)[;,]\S+)$`,
  description: "a path on this origin such as '/logo.svg', or a data: URL of an image, of at " +
    `most ${maxLogoUrlChars} characters`
})

/** A colour with text in the colour of the page on it, and as text on the page. */
function accent (scheme: keyof typeof paper, remedy: string) {
  const color = Type.String({
    pattern: '^#[0-9A-Fa-f]{6}$',
    description: "a colour such as '#1d4ed8'"
  })
  return checked(color, value => {
    const contrast = contrastOf(value, paper[scheme])
    return contrast >= minTextContrast
      ? null
      : `has a contrast of ${Math.floor(contrast * 10) / 10} to the text on it, which is ` +
        `${
          paper[scheme]
        } in the ${scheme} colour scheme, and ${minTextContrast} is required. ${remedy}`
  })
}

/** The schema of texts that replace some of ours: the same names, and no other placeholders. */
function textsLike (texts: object): TSchema {
  const entries = Object.entries(texts).map(([name, value]) => [
    name,
    optional(typeof value === 'string' ? textLike(value) : textsLike(value))
  ])
  return Type.Object(Object.fromEntries(entries), closed)
}

const placeholdersOf = (value: string): string[] => value.match(/\{\w*\}/g) ?? []

function textLike (original: string) {
  const known = placeholdersOf(original)
  const remedy = known.length > 0 ? `Use ${[...new Set(known)].join(', ')}` : 'It has none'
  return checked(text, value => {
    const unknown = placeholdersOf(value).find(name => !known.includes(name))
    return unknown === undefined ? null : `has the unknown placeholder ${unknown}. ${remedy}`
  })
}

const { scopes: _scopes, ...texts } = en
const scopeTexts = Type.Record(Type.String(), text)
const messagesSchema = textsLike(texts)
messagesSchema.properties.scopes = optional(scopeTexts)

const messages = checked(
  Type.Record(Type.String(), Type.Unsafe<PartialMessages>(messagesSchema)),
  value => {
    const unknown = Object.keys(value).find(tag => !isLanguage(tag))
    return unknown === undefined
      ? null
      : `has ${JSON.stringify(unknown)}, which is no language. Use a tag such as 'de' or 'pt-BR'`
  }
)

function isLanguage (tag: string) {
  try {
    return /^[a-z]{2,3}\b/.test(tag) && new Intl.Locale(tag).toString() === tag
  } catch {
    return false
  }
}

export const ConsentOptionsSchema = Type.Object({
  /** Name of this server on the page. Default: the host of `publicUrl`. */
  name: fromEnv(displayName),
  /** A few letters or an emoji in place of a logo. */
  logoText: fromEnv(Type.String({ minLength: 1, maxLength: maxLogoChars })),
  /** An image: a path on the origin of `publicUrl`, or a `data:` URL. Default `alt`: the name. */
  logo: fromEnv(Type.Object({ src: logoUrl, alt: optional(Type.String()) }, closed)),
  /** Colour of the Allow button and of links, in both colour schemes. */
  accentColor: fromEnv(Type.Object({
    light: accent('light', 'Choose a darker colour'),
    dark: accent('dark', 'Choose a lighter colour')
  }, closed)),
  /** Meaning of each scope, in words. */
  scopes: fromEnv(Type.Record(Type.String(), Type.String())),
  /**
   * Texts by language, which replace those of the pages or add a language: `{ de: { consent: {
   * allow: 'Zulassen' } } }`.
   */
  messages: fromEnv(messages),
  /**
   * Whether the page lists the tools that the client could call. It is shown before the login, so
   * anyone can read it. Default `true`, but for tools that `mcp.authorizeTool` decides on.
   */
  tools: fromEnv(flag),
  /** Renders the page instead. */
  render: fromEnv(callable<(details: ConsentDetails) => string | Promise<string>>()),
  /** Renders the pages of errors instead. */
  renderError: fromEnv(callable<(details: ErrorPageDetails) => string | Promise<string>>())
}, {
  ...closed,
  description: "an object such as { name: 'Notes' }: the consent page cannot be switched off, " +
    "as any client could use another one's login then"
})

/** How the consent page and the error pages look. */
export interface ConsentConfig extends Static<typeof ConsentOptionsSchema> {}
