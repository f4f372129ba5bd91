/** How do we request a URL that anyone may have chosen? */
import { Resolver } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { Client } from 'undici'
import { McpOAuthError } from '../errors.ts'
import {
  dnsTimeoutMs,
  maxDocumentBytes,
  maxDocumentRequests,
  maxQueuedDocumentRequests,
  requestTimeoutMs
} from '../limits.ts'
import { isPublicAddress } from './addresses.ts'
import type { FetchResponse } from './fetch.ts'
import { createLimiter } from './concurrency.ts'
import { withTimeout } from './timeout.ts'

/** Settings of {@link createPublicFetch}, for tests. */
export interface PublicFetchOptions {
  /** Allows any address, and http. Defaults to `false`. */
  allowPrivate?: boolean
  /**
   * Resolves a host name. Defaults to the name servers of the system: its hosts file and its search
   * domains are not public.
   */
  resolve?: (host: string) => Promise<string[]>
  /** Milliseconds for name, connection, headers and body together. Defaults to 5,000. */
  timeout?: number
}

/** Requests a document from a URL that anyone may have chosen. */
export type PublicFetch = (url: string) => Promise<FetchResponse>

/**
 * Creates a fetch for URLs that clients choose: https only, to addresses of the public internet.
 *
 * The name is resolved once, and the connection goes to an address that was checked: a name server
 * cannot change its answer in between (DNS rebinding). Every request has a connection of its own,
 * without credentials, redirects and compression. Ten run at once, twenty wait.
 *
 * @returns a function that throws {@link McpOAuthError} `invalidClient` for every failure, so that
 *   a caller cannot scan networks, and `overloaded` if too many wait
 */
export function createPublicFetch (
  { allowPrivate = false, resolve = resolvePublicly, timeout = requestTimeoutMs }:
    PublicFetchOptions = {}
): PublicFetch {
  const limited = createLimiter({
    concurrency: maxDocumentRequests,
    queue: maxQueuedDocumentRequests
  })

  async function get (url: string, signal: AbortSignal): Promise<FetchResponse> {
    const { protocol, origin, hostname, pathname, search } = new URL(url)
    if (protocol !== 'https:' && !allowPrivate) throw new Error('the URL is not https')
    const addresses = (await addressesOf(hostname, resolve)).filter(address =>
      allowPrivate || isPublicAddress(address)
    )
    signal.throwIfAborted()
    if (addresses.length === 0) throw new Error('the host has no public address')
    // Without pipelining the connection closes after one response. Certificates are checked even if
    // NODE_TLS_REJECT_UNAUTHORIZED is 0.
    const client = new Client(origin, {
      pipelining: 0,
      maxResponseSize: maxDocumentBytes,
      connect: {
        lookup: lookupOf(addresses),
        timeout,
        autoSelectFamily: true,
        maxCachedSessions: 0,
        rejectUnauthorized: true
      }
    })
    try {
      const response = await client.request({
        method: 'GET',
        path: pathname + search,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'fastify-mcp-oauth'
        },
        signal
      })
      const bytes = await response.body.bytes()
      if ((response.headers['content-encoding'] ?? 'identity') !== 'identity') {
        throw new Error('the response is compressed')
      }
      return {
        status: response.statusCode,
        headers: response.headers,
        text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      }
    } finally {
      client.destroy().catch(() => {})
    }
  }

  return url =>
    limited(async () => {
      try {
        return await withTimeout(signal => get(url, signal), {
          milliseconds: timeout,
          error: () => new Error(`no response in ${timeout} ms`)
        })
      } catch (cause) {
        throw new McpOAuthError('invalidClient', { cause })
      }
    })
}

async function addressesOf (
  hostname: string,
  resolve: (host: string) => Promise<string[]>
): Promise<string[]> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  return isIP(literal) === 0 ? resolve(hostname) : [literal]
}

/**
 * Queries name servers directly: the resolver of the system has few threads, and slow name servers
 * could occupy all of them.
 */
async function resolvePublicly (host: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: dnsTimeoutMs, tries: 2 })
  const results = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  return results.flatMap(result => result.status === 'fulfilled' ? result.value : [])
}

/** Returns a lookup that resolves to addresses that were checked already. */
function lookupOf (addresses: readonly string[]): LookupFunction {
  const entries = addresses.map(address => ({ address, family: isIP(address) }))
  return (_host, { all = false }, callback) => {
    if (all) callback(null, entries)
    else callback(null, entries[0]?.address ?? '', entries[0]?.family)
  }
}
