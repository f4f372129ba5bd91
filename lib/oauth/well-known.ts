/** At which well-known URLs are metadata documents? */

/** Suffixes registered for `/.well-known/`. */
export const wellKnownNames = [
  'oauth-protected-resource',
  'oauth-authorization-server',
  'openid-configuration'
] as const
export type WellKnownName = typeof wellKnownNames[number]

/**
 * Inserts `/.well-known/<name>` between host and path (RFC 8414 §3.1, RFC 9728 §3.1). Terminating
 * slashes of the path are removed; a query, which only a resource may have, is kept.
 *
 * @param urlOrPath a URL or only its path; the result is of the same form
 */
export function insertWellKnown (name: WellKnownName, urlOrPath: string) {
  const { origin, path, query } = split(urlOrPath)
  return `${origin}/.well-known/${name}${path}${query}`
}

/**
 * Returns the URLs of the metadata of an issuer in the order of clients: RFC 8414 inserted, OpenID
 * Connect inserted, OpenID Connect appended. Without a path the last two are one.
 *
 * @param issuer a URL or only its path; the results are of the same form
 */
export function authorizationServerUrls (issuer: string) {
  const { origin, path } = split(issuer)
  return [
    ...new Set([
      insertWellKnown('oauth-authorization-server', issuer),
      insertWellKnown('openid-configuration', issuer),
      `${origin}${path}/.well-known/openid-configuration`
    ])
  ]
}

function split (urlOrPath: string) {
  const [, origin = '', path = '', query = ''] =
    /^([a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?/i.exec(urlOrPath) ?? []
  return { origin, path: path.replace(/\/+$/, ''), query }
}
