/** Which `WWW-Authenticate` header does a rejected request get? */

/** The parts of a challenge. Parts that are absent or empty are left out. */
interface Challenge {
  /** Authentication scheme. Defaults to `Bearer`. */
  scheme?: string
  /** OAuth error (RFC 6750 §3.1). Absent where the request carried no credentials. */
  error?: string
  /** Sentence for developers. */
  description?: string
  /** URL of the protected resource metadata (RFC 9728 §5.1). */
  resourceMetadata?: string | null
  /** All scopes the request needs. `offline_access` is left out: no resource requires it. */
  scopes?: readonly string[]
  /** Signature algorithms of DPoP proofs (RFC 9449 §7.1). */
  algorithms?: readonly string[]
}

/**
 * Writes a `WWW-Authenticate` value (RFC 6750 §3, RFC 9728 §5.1) on one line. The result is a valid
 * header value for any input: quotes and backslashes are escaped, other characters than printable
 * ASCII become `?`.
 */
export function challenge (
  { scheme = 'Bearer', error, description, resourceMetadata, scopes = [], algorithms = [] }:
    Challenge
) {
  const parameters = Object.entries({
    error,
    error_description: description,
    resource_metadata: resourceMetadata,
    scope: scopes.filter(name => name !== 'offline_access').join(' '),
    algs: algorithms.join(' ')
  }).flatMap(([name, value]) => value ? [`${name}=${quoted(value)}`] : [])
  return parameters.length === 0 ? scheme : `${scheme} ${parameters.join(', ')}`
}

function quoted (value: string) {
  return `"${value.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`
}
