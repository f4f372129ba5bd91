/** May a request with these `Host` and `Origin` headers reach the MCP route? */

import { loopbackNames } from './url.ts'

/** Checks `Host` and `Origin` of a request. */
export type HostCheck = ReturnType<typeof createHostCheck>

type Origin = NonNullable<ReturnType<typeof parseOrigin>>

const hostPattern = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i
const originPattern = /^([a-z][a-z0-9+.-]*):\/\/([^/@?#\s]+)$/i
const defaultPorts: Record<string, string> = { http: '80', https: '443' }

/** Returns the problem of an entry of `allowedHosts`, or null. */
export function hostProblem (entry: string): string | null {
  return parseHost(entry) === null
    ? "is not a host name. Give one with an optional port, as in 'mcp.example.com'"
    : null
}

/** Returns the problem of an entry of `allowedOrigins`, or null. */
export function originProblem (entry: string): string | null {
  return parseOrigin(entry) === null
    ? "is not an origin. Give scheme, host and optional port, as in 'https://app.example.com'"
    : null
}

/**
 * Creates the check against DNS rebinding (MCP, Streamable HTTP, "Security Warning"): a page of
 * another site that points its own name at this server still sends that name in `Host`, and itself
 * in `Origin`. Requests without `Origin` come from no page.
 *
 * The check takes the headers as received, not those a proxy forwards. Entries must be valid.
 *
 * @param allowedHosts names of the server: `example.com` (any port) or `example.com:8443`
 * @param allowedOrigins those of web pages that may call the server, such as
 *   `https://app.example.com`. A loopback origin without a port stands for any port. `null` is
 *   accepted only if listed
 */
export function createHostCheck (
  allowedHosts: readonly string[],
  allowedOrigins: readonly string[]
) {
  const hosts = allowedHosts.map(parseHost)
  const origins = allowedOrigins.map(parseOrigin).filter(origin => origin !== null)
  /** The last host that was allowed: most requests have the same one. */
  let lastHost: string | undefined

  function isAllowedHost (header: string) {
    const sent = parseHost(header)
    return sent !== null &&
      hosts.some(allowed =>
        allowed?.name === sent.name && (allowed.port === undefined || allowed.port === sent.port)
      )
  }

  function isAllowedOrigin (header: string) {
    const sent = parseOrigin(header)
    return sent !== null && origins.some(allowed => isSameOrigin(allowed, sent))
  }

  /** Returns the kind of the error (403), or null. */
  return (host: string | undefined, origin: string | undefined) => {
    if (host === undefined || (host !== lastHost && !isAllowedHost(host))) return 'hostNotAllowed'
    lastHost = host
    return origin === undefined || isAllowedOrigin(origin) ? null : 'originNotAllowed'
  }
}

function isSameOrigin (allowed: Origin, sent: Origin) {
  if (allowed.scheme !== sent.scheme || allowed.name !== sent.name) return false
  if (allowed.port === undefined && loopbackNames.includes(allowed.name)) return true
  const standard = defaultPorts[allowed.scheme]
  return (allowed.port ?? standard) === (sent.port ?? standard)
}

function parseHost (value: string) {
  const [, name, port] = hostPattern.exec(value) ?? []
  return name === undefined ? null : { name: name.toLowerCase(), port }
}

/** `null` is the origin of sandboxed pages, among others. */
function parseOrigin (value: string) {
  if (value === 'null') return { scheme: 'null', name: '', port: undefined }
  const [, scheme = '', authority = ''] = originPattern.exec(value) ?? []
  const host = parseHost(authority)
  return host && { scheme: scheme.toLowerCase(), ...host }
}
