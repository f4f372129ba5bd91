/** Which options describe the server in its server card (SEP-2127)? */
import { maxCardNameChars, maxCardTextChars, maxCardVersionChars } from '../limits.ts'
import { Type } from '../schemas/type.ts'
import { checked, closed, list, oneOf, optional, text, url } from './fields.ts'

const upTo = (chars: number) =>
  checked(
    text,
    value => value.length > chars ? `must have at most ${chars} characters. Shorten it` : null
  )

const icon = checked(text, value => {
  if (value.startsWith('data:image/')) return null
  return /^https?:\/\//.test(value) && URL.canParse(value)
    ? null
    : 'is no URL of an image. Give one with https: or data:image/'
})

export const CardSchema = Type.Object({
  /** Name in reverse-DNS format, such as `com.example/notes`. Default: host, and `mcp.name`. */
  name: optional(
    checked(
      upTo(maxCardNameChars),
      value =>
        /^[\w.-]+\/[\w.-]+$/.test(value) && !/_.*\//.test(value)
          ? null
          : "is no name in reverse-DNS format. Give one such as 'com.example/notes'"
    )
  ),
  /** Title for users. */
  title: optional(upTo(maxCardTextChars)),
  /** Purpose of the server, in at most 100 characters. Default: the host that serves it. */
  description: optional(upTo(maxCardTextChars)),
  /** Version of the server, and no range. Default: `mcp.version`. */
  version: optional(
    checked(
      upTo(maxCardVersionChars),
      value => /[\^~<>=*]|\d\.x/.test(value) ? "is a range. Give one version such as '1.2.0'" : null
    )
  ),
  /** Page about the server. */
  websiteUrl: optional(url()),
  icons: optional(list(Type.Object({
    src: icon,
    mimeType: optional(text),
    sizes: optional(list(text)),
    theme: optional(oneOf('light', 'dark'))
  }, closed)))
}, closed)

/** The option `mcp.card`, or its members. */
export const cardOption = optional(Type.Union([Type.Literal(true), CardSchema]))

/** Where we do not know the server, only its operator can describe it. */
export function cardRules (
  { card, tools }: { card?: unknown, tools?: unknown }
): Array<readonly [isBroken: unknown, line: string]> {
  if (card === undefined || tools !== undefined) return []
  return ['name', 'version'].map(member => [
    Object(card)[member] === undefined,
    `mcp.card.${member}: missing, required without mcp.tools. Give that of your server`
  ])
}
