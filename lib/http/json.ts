/**
 * Parses the text of a JSON object (RFC 8259) that somebody else wrote. Members called `__proto__`
 * are dropped at every depth and the result is frozen, so it can be copied, cached and handed
 * around safely.
 *
 * @returns `null` for anything but an object
 */
export function jsonObject (text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(
      text,
      (key, member) => key === '__proto__' ? undefined : Object.freeze(member)
    )
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null
  } catch {
    return null
  }
}
