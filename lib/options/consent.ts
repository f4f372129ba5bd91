/** Which parts of the consent page may the operator change? */
import { Type } from '@sinclair/typebox'
import { maxDisplayNameChars, maxLogoChars } from '../limits.ts'
import type { ConsentDetails } from '../types.ts'
import { callable, closed } from './fields.ts'

export const ConsentOptionsSchema = Type.Object({
  /** Name of this server on the page. Default: the host of `publicUrl`. */
  name: Type.Optional(Type.String({ minLength: 1, maxLength: maxDisplayNameChars })),
  /** A few letters or an emoji in place of a logo. */
  logoText: Type.Optional(Type.String({ minLength: 1, maxLength: maxLogoChars })),
  /** Meaning of each scope, in words. */
  scopes: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Renders the page instead. */
  render: Type.Optional(callable<(details: ConsentDetails) => string | Promise<string>>())
}, {
  ...closed,
  description: "an object such as { name: 'Notes' " +
    "}: the consent page cannot be switched off, as any client could use another one's login then"
})
