/** Which client does the URL of a metadata document name (OAuth Client ID Metadata Document)? */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Client, Log } from '../types.ts'
import { failure, McpOAuthError, quoted } from '../errors.ts'
import type { FetchResponse } from '../http/fetch.ts'
import type { PublicFetch } from '../http/public-fetch.ts'
import { withTimeout } from '../http/operations.ts'
import {
  documentRecheckMs,
  documentSeconds,
  failedDocumentSeconds,
  maxDocuments,
  maxDocumentSeconds,
  minDocumentFailureMs
} from '../limits.ts'
import { isClientIdUrl } from '../oauth/client-id-url.ts'
import { parseClientDocument } from '../oauth/client-metadata.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import { lazy } from '../util/lazy.ts'

export const loadPublicFetch = lazy('ipaddr.js', () => import('../http/public-fetch.ts'))

/** Returns a fetch for URLs that clients choose. Its code is loaded at the first of them. */
function publicFetch (): PublicFetch {
  let fetch: PublicFetch | undefined
  return async (url, isKnown) => {
    const { createPublicFetch } = await loadPublicFetch()
    fetch ??= createPublicFetch()
    return await fetch(url, isKnown)
  }
}

/** Finds clients by the URLs of their metadata documents. */
export type ClientDocuments = ReturnType<typeof createClientDocuments>

/**
 * Fetches and caches client metadata documents.
 *
 * Concurrent calls share one fetch. A valid document is cached as long as its server allows, an
 * invalid one never. A failure is remembered for 30 seconds.
 *
 * @param allowedHosts hosts whose documents are accepted, by exact name; null for any
 * @param now a clock, in seconds. Defaults to the monotonic one of the process
 * @param minFailureMs milliseconds a failure takes at least. Defaults to 200
 */
export function createClientDocuments (
  redirectPolicy: () => RedirectPolicy,
  allowedHosts: readonly string[] | null,
  log: Log,
  fetch: PublicFetch = publicFetch(),
  now = () => performance.now() / 1000,
  minFailureMs = minDocumentFailureMs
) {
  const clients = new LRUCache<string, { client: Client, until: number }>({ max: maxDocuments })
  // A cache of its own: a flood of invalid URLs must not evict valid clients.
  const failures = new LRUCache<string, { until: number, fetched: boolean }>({ max: maxDocuments })
  // Hosts whose last failure was logged.
  const reported = new LRUCache<string, true>({ max: maxDocuments })
  const loading = new Map<string, Promise<Client | null>>()

  async function load (id: string) {
    // Quick failures take as long as slow ones: the time would tell which hosts and ports exist.
    const delayedNull = sleep(minFailureMs, null)
    const { hostname: host } = new URL(id)
    let fetched = false
    try {
      const { status, headers, text } = await fetch(id, clients.has(id))
      fetched = status < 500
      if (status !== 200) throw failure('invalidClient', `responded with status ${status}`)
      if (!jsonType.test(joined(headers['content-type']))) {
        throw failure('invalidClient', 'the content type is not JSON')
      }
      const { refused, ...metadata } = parseClientDocument(text, id, redirectPolicy())
      logRefused(log, refused)
      const client = { id, ...metadata }
      const seconds = freshSecondsOf(headers)
      if (seconds > 0) clients.set(id, { client, until: now() + seconds })
      reported.delete(host)
      return client
    } catch (error) {
      if (!(error instanceof McpOAuthError) || error.kind !== 'invalidClient') throw error
      failures.set(id, { until: now() + failedDocumentSeconds, fetched })
      if (!reported.has(host)) {
        reported.set(host, true)
        log[fetched ? 'info' : 'warn'](
          { host, err: error.cause, option: 'clientIdMetadata' },
          'Could not use a client metadata document: allow requests to this host, or set ' +
            'clientIdMetadata to false, so that clients register'
        )
      }
      return await delayedNull
    }
  }

  const documents = {
    /** Whether an id is a valid URL on an allowed host. Fetches nothing. */
    accepts: (id: string) =>
      isClientIdUrl(id) && allowedHosts?.includes(new URL(id).hostname) !== false,

    /** The client of a document that was fetched before. */
    known: (id: string) => clients.peek(id)?.client,

    /**
     * Whether the document can be fetched and is not valid any more. A document that cannot be
     * fetched within a second is assumed to be valid.
     */
    async isInvalidated (id: string) {
      const client = await withTimeout(
        () => documents.find(id),
        documentRecheckMs,
        () => new Error('timeout')
      ).catch(() => undefined)
      return client === null && failures.get(id)?.fetched === true
    },

    /**
     * @returns null if the URL or its document is invalid, or the document cannot be fetched
     * @throws {McpOAuthError} `overloaded` if too many documents are being fetched
     */
    async find (id: string): Promise<Client | null> {
      if (!documents.accepts(id)) return null
      const cached = clients.get(id)
      if (cached !== undefined && now() < cached.until) return cached.client
      if (now() < (failures.get(id)?.until ?? 0)) return null
      const client = loading.get(id) ?? load(id).finally(() => loading.delete(id))
      loading.set(id, client)
      return client
    }
  }
  return documents
}

const jsonType = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i

/**
 * Seconds for which a response may be reused (RFC 9111 §4.2.1, as a shared cache). Malformed
 * lifetimes are 0.
 */
function freshSecondsOf (headers: FetchResponse['headers']) {
  const directives = new Map(
    joined(headers['cache-control']).toLowerCase().split(',').map(directive => {
      const [name = '', value = ''] = directive.split('=')
      return [name.trim(), value.trim().replace(/^"(.*)"$/, '$1')] as const
    })
  )
  if (['no-store', 'no-cache', 'private'].some(name => directives.has(name))) return 0
  const maxAge = directives.get('s-maxage') ?? directives.get('max-age')
  if (maxAge === undefined) return documentSeconds
  return Math.min(secondsOf(maxAge), maxDocumentSeconds) - secondsOf(joined(headers.age))
}

function secondsOf (text: string) {
  return /^\d+$/.test(text) ? Number(text) : 0
}

function joined (header: string | string[] | undefined) {
  return [header ?? ''].flat().join(', ')
}

/** Logs the redirect URIs that a client wanted and did not get. */
export function logRefused (log: Log, refused: readonly string[]) {
  if (refused.length === 0) return
  log.info(
    { option: 'allowedRedirectUris', refused: refused.map(quoted) },
    'A client was registered without some of its redirect URIs, which allowedRedirectUris does ' +
      'not match'
  )
}
