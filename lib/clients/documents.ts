/** Which client does the URL of a metadata document name (OAuth Client ID Metadata Document)? */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Client, Log } from '../types.ts'
import { failure, McpOAuthError, quoted } from '../errors.ts'
import { objectOf, type FetchResponse } from '../http/fetch.ts'
import type { PublicFetch } from '../http/public-fetch.ts'
import { withTimeout } from '../http/operations.ts'
import {
  documentRecheckMs,
  documentSeconds,
  failedDocumentSeconds,
  idTokenCooldownSeconds,
  maxClientKeys,
  maxClientKeySetBytes,
  maxDocuments,
  maxDocumentSeconds,
  minDocumentFailureMs
} from '../limits.ts'
import { isClientIdUrl } from '../oauth/client-id-url.ts'
import { parseClientDocument } from '../oauth/client-metadata.ts'
import { hasLogins } from '../oauth/grant-types.ts'
import { publicKeyProblem, secretMemberOf } from '../oauth/public-keys.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import { createKeySet, type KeySet } from '../provider/keys.ts'
import { isPlainObject } from '../util/json.ts'
import { lazy } from '../util/lazy.ts'

export const loadPublicFetch = lazy('ipaddr.js', () => import('../http/public-fetch.ts'))

/** Returns a fetch for URLs that clients choose. Its code is loaded at the first of them. */
function publicFetch (): PublicFetch {
  let fetch: PublicFetch | undefined
  return async (...request) => {
    const { createPublicFetch } = await loadPublicFetch()
    fetch ??= createPublicFetch()
    return await fetch(...request)
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
  const keySets = new LRUCache<string, KeySet>({ max: maxDocuments })

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
      const client: Client = { id, ...metadata }
      if (client.jwksUri !== undefined && !documents.accepts(client.jwksUri)) {
        throw failure('invalidClient', 'the host of its jwks_uri is not allowed')
      }
      clients.set(id, { client, until: now() + freshSecondsOf(headers) })
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
     * Why the client can log in no user: its document can be fetched and is not valid any more, or
     * names other grants. A document that cannot be fetched within a second is assumed to be valid.
     */
    async loginProblem (id: string) {
      const client = await documents.findQuickly(id)
      if (client && !hasLogins(client.grantTypes)) return 'unauthorizedClient'
      return client === null && failures.get(id)?.fetched ? 'invalidClient' : null
    },

    /** The client of a document that can be fetched within a second. */
    findQuickly: (id: string) =>
      withTimeout(() => documents.find(id), documentRecheckMs, () => new Error('timeout'))
        .catch(() => undefined),

    /**
     * The client of a document, for its authentication.
     *
     * @throws {McpOAuthError} `invalidClient` if the document is invalid; `clientUnavailable` if it
     *   cannot be fetched; `overloaded`
     */
    async get (id: string): Promise<Client> {
      const client = await documents.find(id)
      if (client) return client
      const { fetched = false, until = 0 } = failures.get(id) ?? {}
      if (fetched) throw failure('invalidClient', 'The metadata document of the client is invalid')
      const retryAfter = Math.max(1, Math.ceil(until - now()))
      const cause = new Error('The metadata document of the client could not be fetched')
      throw new McpOAuthError('clientUnavailable', { retryAfter, cause })
    },

    /** The keys of a client, at the URL in its document. */
    keysAt (url: string): KeySet {
      const known = keySets.get(url)
      if (known) return known
      const keys: KeySet = createKeySet({
        uri: async () => url,
        fetch: async () => {
          const isKnown = keys.peek() !== undefined
          const delay = sleep(minFailureMs)
          try {
            return usableKeys(objectOf(await fetch(url, isKnown, maxClientKeySetBytes)))
          } catch (error) {
            // As for documents: the time would tell which hosts exist.
            await delay
            throw error
          }
        },
        cooldown: idTokenCooldownSeconds,
        now
      })
      keySets.set(url, keys)
      return keys
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

/** Without keys that cost us much more than their owner. A secret makes the set invalid. */
function usableKeys ({ keys }: Record<string, unknown>) {
  const isUsable = (key: unknown) =>
    isPlainObject(key) && (secretMemberOf(key) !== undefined || publicKeyProblem(key) === null)
  return { keys: Array.isArray(keys) ? keys.slice(0, maxClientKeys).filter(isUsable) : [] }
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
