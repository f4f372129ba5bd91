/** How do we request a URL that anyone may have chosen? */
import { Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import { McpOAuthError } from '../errors.ts'
import {
  dnsTimeoutMs,
  maxDocumentBytes,
  maxDocumentRequests,
  maxDocuments,
  maxHostDocumentRequests,
  requestTimeoutMs
} from '../limits.ts'
import { loadClient, requestHeaders, sendRequest, type FetchResponse } from './fetch.ts'
import { createLimiter, withTimeout } from './operations.ts'

/**
 * Requests a document from a URL that anyone may have chosen.
 *
 * @param isKnown whether its document was valid before. Such requests wait for no others
 * @param maxBytes size of the document. Defaults to 5 kB
 */
export type PublicFetch = (
  url: string,
  isKnown?: boolean,
  maxBytes?: number
) => Promise<FetchResponse>

/**
 * Creates a fetch for URLs that clients choose: https only, to addresses of the public internet.
 *
 * The name is resolved once, and the connection goes to an address that was checked: a name server
 * cannot change its answer in between (DNS rebinding). Every request has a connection of its own,
 * without credentials, redirects and compression. A hundred run at once, five of them to one host,
 * and as many wait: a host that does not respond must not delay others. The options are for tests.
 *
 * @param options.allowPrivate allows any address, and http
 * @param options.resolve resolves a host name. Defaults to the name servers of the system: its
 *   hosts file and its search domains are not public
 * @param options.timeout milliseconds for name, connection, headers and body together
 * @returns a function that throws {@link McpOAuthError} `invalidClient` for every failure, so that
 *   a caller cannot scan networks, and `overloaded` if too many wait
 */
export function createPublicFetch (
  { allowPrivate = false, resolve = resolvePublicly, timeout = requestTimeoutMs } = {}
): PublicFetch {
  const pool = () => createLimiter(maxDocumentRequests, maxDocumentRequests)
  const [unknown, known] = [pool(), pool()]
  const hosts = new LRUCache<string, ReturnType<typeof pool>>({ max: maxDocuments })

  async function get (url: string, maxResponseSize: number, signal: AbortSignal) {
    const { protocol, origin, hostname } = new URL(url)
    if (protocol !== 'https:' && !allowPrivate) throw new Error('the URL is not https')
    const literal = hostname.replace(/^\[|\]$/g, '')
    const resolved = isIP(literal) === 0 ? await resolve(hostname) : [literal]
    const addresses = resolved.filter(address => allowPrivate || isPublicAddress(address))
    signal.throwIfAborted()
    if (addresses.length === 0) throw new Error('the host has no public address')
    // Without pipelining the connection closes after one response. Certificates are checked even if
    // NODE_TLS_REJECT_UNAUTHORIZED is 0.
    const { Client } = await loadClient()
    const client = new Client(origin, {
      pipelining: 0,
      maxResponseSize,
      connect: {
        lookup: lookupOf(addresses),
        timeout,
        autoSelectFamily: true,
        maxCachedSessions: 0,
        rejectUnauthorized: true
      }
    })
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      return await sendRequest(
        url,
        { dispatcher: client, headers: requestHeaders, signal },
        decoder
      )
    } finally {
      client.destroy().catch(() => {})
    }
  }

  return (url, isKnown = false, maxBytes = maxDocumentBytes) => {
    const host = url.split('/')[2] ?? ''
    const limited = hosts.get(host) ??
      createLimiter(maxHostDocumentRequests, maxHostDocumentRequests)
    hosts.set(host, limited)
    return limited(() =>
      (isKnown ? known : unknown)(async () => {
        // A package that is missing is no fault of the client.
        await loadClient()
        try {
          return await withTimeout(signal => get(url, maxBytes, signal), timeout, () =>
            new Error(`no response in ${timeout} ms`))
        } catch (cause) {
          throw new McpOAuthError('invalidClient', { cause })
        }
      })
    )
  }
}

/**
 * Queries name servers directly: the resolver of the system has few threads, and slow name servers
 * could occupy all of them.
 */
async function resolvePublicly (host: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: dnsTimeoutMs, tries: 2 })
  const results = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  const [failed, other] = results.filter(result => result.status === 'rejected')
  if (failed && other) throw failed.reason
  return results.flatMap(result => result.status === 'fulfilled' ? result.value : [])
}

/** Returns a lookup that resolves to addresses that were checked already. */
function lookupOf (addresses: readonly string[]): LookupFunction {
  const entries = addresses.map(address => ({ address, family: isIP(address) }))
  return (_host, _options, callback) => callback(null, entries)
}

/**
 * Whether an IP address is one of the public internet (RFC 6890). Private, shared, link-local,
 * loopback, multicast, documentation and reserved ranges are not, nor are IPv6 addresses that
 * contain an IPv4 one, because a gateway may deliver to it. Names, and numbers in other notations,
 * are not addresses.
 */
export function isPublicAddress (address: string) {
  if (isIP(address) === 0 || address.includes('%')) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // Only 2000::/3 is assigned for global use (RFC 4291 §2.4). The rest is reserved, or contains
  // IPv4.
  return parsed instanceof ipaddr.IPv4 || (parsed.parts[0] ?? 0) >>> 13 === 1
}
