/** Which shape does an unknown value have? */

/** An object that is neither null nor an array. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The JSON object in a text, or null for anything else.
 *
 * @param reviver replaces parsed values, as that of `JSON.parse()` does
 */
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
