/** Suffixes registered for `/.well-known/`. */
export type WellKnownName =
  | 'oauth-protected-resource'
  | 'oauth-authorization-server'
  | 'openid-configuration'

/**
 * Puts `/.well-known/<name>` between host and path (RFC 8414 §3.1, RFC 9728 §3.1). Takes a whole
 * URL or only a path and answers in kind. Terminating slashes of a path go away, a query (which
 * only a resource may have) stays.
 */
export function insertWellKnown (name: WellKnownName, urlOrPath: string): string {
  const { origin, path, query } = split(urlOrPath)
  return `${origin}/.well-known/${name}${path}${query}`
}

/** Path of the protected resource metadata of the resource at `path` (RFC 9728 §3.1). */
export function protectedResourcePath (path: string): string {
  return insertWellKnown('oauth-protected-resource', path)
}

/**
 * Paths at which clients look for the metadata of the issuer at `path`, in their order: RFC 8414
 * inserted, OpenID Connect inserted, OpenID Connect appended. An issuer without a path has two, as
 * the last two are one.
 */
export function authorizationServerPaths (path: string): string[] {
  return discoveryUrls(path)
}

/**
 * URLs at which to look for the metadata of a provider, in order. See {@link
 * authorizationServerPaths}.
 */
export function discoveryUrls (issuer: string): string[] {
  const { origin, path } = split(issuer)
  return [
    ...new Set([
      insertWellKnown('oauth-authorization-server', issuer),
      insertWellKnown('openid-configuration', issuer),
      `${origin}${path}/.well-known/openid-configuration`
    ])
  ]
}

function split (urlOrPath: string): { origin: string, path: string, query: string } {
  const [, origin = '', path = '', query = ''] =
    /^([a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)(\?[^#]*)?/i.exec(urlOrPath) ?? []
  return { origin, path: path.replace(/\/+$/, ''), query }
}
