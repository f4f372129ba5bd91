/** How is JSON of another server parsed? */
import { parseJsonObject } from '../util/json.ts'

/**
 * Parses a JSON object (RFC 8259) of another server. Members called `__proto__` are dropped at
 * every depth and the result is frozen, so that it can be copied, cached and shared.
 *
 * @returns `null` for any other text
 */
export function jsonObject (text: string): Readonly<Record<string, unknown>> | null {
  return parseJsonObject(
    text,
    (key, member) => key === '__proto__' ? undefined : Object.freeze(member)
  )
}
