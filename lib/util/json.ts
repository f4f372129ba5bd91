/** Which shape does an unknown value have? */

import { maxBodyDepth } from '../limits.ts'

/** An object that is neither null nor an array. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The JSON object in a text, or null for anything else. */
export function parseJsonObject (
  text: string,
  reviver?: Parameters<typeof JSON.parse>[1]
): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text, reviver)
    return isPlainObject(value) ? value : null
  } catch {
    return null
  }
}

/**
 * Parses a JSON object (RFC 8259) of another server. Members called `__proto__` are dropped at
 * every depth and the result is frozen, so that it can be copied, cached and shared.
 *
 * @returns `null` for any other text
 */
export function jsonObject (text: string): Record<string, unknown> | null {
  // Only a text with this name, or with an escape, can have such a member. Others parse sooner.
  const isPlain = !/__proto__|\\/.test(text)
  const object = parseJsonObject(
    text,
    isPlain ? undefined : (key, member) => key === '__proto__' ? undefined : member
  )
  try {
    return object && deeplyFrozen(object)
  } catch {
    // It is nested too deeply for the stack.
    return null
  }
}

function deeplyFrozen<Value extends object> (value: Value): Value {
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) deeplyFrozen(member)
  }
  return Object.freeze(value)
}

/** Checks whether valid JSON is nested too deeply. To walk its values would take longer. */
export function isTooDeep (text: string) {
  const brackets = maxBodyDepth + 1
  if (text.length < 2 * brackets) return false
  let depth = 0
  let isInString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) isInString = !isInString
    else if (isInString) {
      if (code === backslash) at++
    } else if (code === bracket || code === brace) {
      if (++depth > maxBodyDepth) return true
    } else if (code === bracket + 2 || code === brace + 2) depth--
  }
  return false
}

const [quote = 0, backslash = 0, bracket = 0, brace = 0] = Buffer.from('"\\[{')

/** Returns an object without its null members. */
export function present (object: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value != null))
}
