/** Which `WWW-Authenticate` header does a rejected request get? */

type Value = string | readonly string[] | null | undefined

/**
 * Writes a `WWW-Authenticate` value (RFC 6750 §3, RFC 9728 §5.1) on one line. The result is a valid
 * header value for any input: quotes and backslashes are escaped, other characters than printable
 * ASCII become `?`.
 *
 * @param parameters are left out if absent or empty, and so is the scope `offline_access`, which no
 *   resource requires
 */
export function challenge (scheme: string, parameters: Record<string, Value>) {
  const written = Object.entries(parameters).flatMap(([name, value]) => {
    const text = [value ?? []].flat().filter(item => item !== 'offline_access').join(' ')
    return text === '' ? [] : [`${name}=${quoted(text)}`]
  })
  return written.length === 0 ? scheme : `${scheme} ${written.join(', ')}`
}

function quoted (value: string) {
  return `"${value.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`
}
