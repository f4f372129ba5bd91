/** Which hosts and origins the MCP route answers to. */
export interface HostCheckOptions {
  /**
   * Names clients reach the server under, `example.com` (any port) or `example.com:8443` (that port
   * only).
   */
  allowedHosts: readonly string[]
  /**
   * Origins of web pages that may call the server: `https://app.example.com`, compared with scheme,
   * host and port. A loopback origin without a port stands for any port. `null` has to be listed to
   * be allowed.
   */
  allowedOrigins: readonly string[]
}

/**
 * Says what is wrong with a request's `Host` and `Origin`, as the kind of error to answer with
 * (403).
 */
export type HostCheck = (
  host: string | undefined,
  origin: string | undefined
) => 'hostNotAllowed' | 'originNotAllowed' | null

interface Host {
  name: string
  port: string | undefined
}
interface Origin extends Host {
  scheme: string
}

const hostPattern = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i
const originPattern = /^([a-z][a-z0-9+.-]*):\/\/([^/@?#\s]+)$/i
const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])
const defaultPorts: Record<string, string> = { http: '80', https: '443' }

/** What is wrong with an entry of `allowedHosts`, or `null`. */
export function hostProblem (entry: string): string | null {
  return parseHost(entry) === null ? 'is not a host name with an optional port' : null
}

/** What is wrong with an entry of `allowedOrigins`, or `null`. */
export function originProblem (entry: string): string | null {
  return entry === 'null' || parseOrigin(entry) !== null
    ? null
    : 'is not an origin: scheme, host and optional port, nothing after it'
}

/**
 * The guard against DNS rebinding (MCP, Streamable HTTP, "Security Warning"): a page of another
 * site that has pointed its own name at this server still shows that name in `Host`, and itself in
 * `Origin`. No `Origin` means that no page is asking.
 *
 * Pass the header as it came; what a proxy says about it is not the point. Entries are expected to
 * be free of problems.
 */
export function createHostCheck ({ allowedHosts, allowedOrigins }: HostCheckOptions): HostCheck {
  const hosts = allowedHosts.map(parseHost).filter((host) => host !== null)
  const origins = allowedOrigins.map(parseOrigin).filter((origin) => origin !== null)
  const nullOrigin = allowedOrigins.includes('null')

  function hostAllowed (header: string | undefined): boolean {
    const asked = parseHost(header ?? '')
    return asked !== null &&
      hosts.some(({ name, port }) =>
        name === asked.name && (port === undefined || port === asked.port)
      )
  }

  function originAllowed (header: string): boolean {
    if (header === 'null') return nullOrigin
    const asked = parseOrigin(header)
    return asked !== null && origins.some((allowed) => sameOrigin(allowed, asked))
  }

  return (host, origin) => {
    if (!hostAllowed(host)) return 'hostNotAllowed'
    return origin === undefined || originAllowed(origin) ? null : 'originNotAllowed'
  }
}

function sameOrigin (allowed: Origin, asked: Origin): boolean {
  if (allowed.scheme !== asked.scheme || allowed.name !== asked.name) return false
  if (allowed.port === undefined && loopbackNames.has(allowed.name)) return true
  const usual = defaultPorts[allowed.scheme]
  return (allowed.port ?? usual) === (asked.port ?? usual)
}

function parseHost (value: string): Host | null {
  const match = hostPattern.exec(value)
  return match === null ? null : { name: (match[1] as string).toLowerCase(), port: match[2] }
}

function parseOrigin (value: string): Origin | null {
  const match = originPattern.exec(value)
  const host = match === null ? null : parseHost(match[2] as string)
  return match === null || host === null
    ? null
    : { scheme: (match[1] as string).toLowerCase(), ...host }
}
