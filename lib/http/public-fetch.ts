import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { Client } from 'undici'
import { McpOAuthError } from '../errors.ts'
import { isPublicAddress } from './addresses.ts'
import type { FetchResponse } from './fetch.ts'
import { createLimiter } from './concurrency.ts'

/** Settings of {@link createPublicFetch}. Only tests have a reason to give any. */
export interface PublicFetchOptions {
  /** Any address and http will do. Defaults to false. */
  allowPrivate?: boolean
  /**
   * The addresses of a host. Defaults to the name servers of the system: neither its hosts file nor
   * its search domains are public.
   */
  resolve?: (host: string) => Promise<string[]>
  /**
   * Milliseconds for name, connection, headers and body together, once it is its turn. Defaults to
   * 5,000.
   */
  timeout?: number
}

/** Gets a document from a URL that anyone may have named. */
export type PublicFetch = (url: string) => Promise<FetchResponse>

/** Bytes of body that are read at most. */
const maxBytes = 5_120

/**
 * A fetch for URLs that strangers name: https only, and only to addresses of the public internet.
 * The name is resolved once, and the connection made to an address that was checked, so a name
 * server cannot answer twice. Every request has its own connection, carries no credentials, follows
 * no redirect, and takes no compressed answer. Ten run at once, twenty wait.
 *
 * @throws {McpOAuthError} `invalidClient`, one and the same whatever failed: who asks learns
 *   nothing about what listens where;
 *   `overloaded` if too many wait
 */
export function createPublicFetch (
  { allowPrivate = false, resolve = resolvePublicly, timeout = 5_000 }: PublicFetchOptions = {}
): PublicFetch {
  const inTurn = createLimiter({ concurrency: 10, queue: 20 })

  async function get (url: string, signal: AbortSignal): Promise<FetchResponse> {
    const { protocol, origin, hostname, pathname, search } = new URL(url)
    if (protocol !== 'https:' && !allowPrivate) throw new Error('the URL is not https')
    const addresses = (await before(signal, addressesOf(hostname, resolve))).filter(address =>
      allowPrivate || isPublicAddress(address)
    )
    if (addresses.length === 0) throw new Error('the host has no public address')
    // Without pipelining the connection is closed after its only answer. Certificates are checked
    // even if the process is told not to.
    const client = new Client(origin, {
      pipelining: 0,
      maxResponseSize: maxBytes,
      connect: {
        lookup: pinned(addresses),
        timeout,
        autoSelectFamily: true,
        maxCachedSessions: 0,
        rejectUnauthorized: true
      }
    })
    try {
      const answer = await client.request({
        method: 'GET',
        path: pathname + search,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'fastify-mcp-oauth'
        },
        signal
      })
      const bytes = await answer.body.bytes()
      if ((answer.headers['content-encoding'] ?? 'identity') !== 'identity') {
        throw new Error('the answer is compressed')
      }
      return {
        status: answer.statusCode,
        headers: answer.headers,
        text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      }
    } finally {
      client.destroy().catch(() => {})
    }
  }

  return url =>
    inTurn(async () => {
      try {
        return await get(url, AbortSignal.timeout(timeout))
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
 * Asks name servers directly: the resolver of the system has few threads, which a slow name server
 * could keep from everyone else.
 */
async function resolvePublicly (host: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 1_500, tries: 2 })
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  return answers.flatMap(answer => answer.status === 'fulfilled' ? answer.value : [])
}

/** Names are not looked up again when the connection is made. */
function pinned (addresses: readonly string[]): LookupFunction {
  const answers = addresses.map(address => ({ address, family: isIP(address) }))
  return (_host, { all = false }, callback) => {
    if (all) callback(null, answers)
    else callback(null, answers[0]?.address ?? '', answers[0]?.family)
  }
}

function before<T> (signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason)
    }, { once: true })
    promise.then(resolve, reject)
  })
}
