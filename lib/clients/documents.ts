import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Client, Log } from '../types.ts'
import { withTimeout } from '../http/timeout.ts'
import { McpOAuthError } from '../errors.ts'
import type { FetchResponse } from '../http/fetch.ts'
import type { PublicFetch } from '../http/public-fetch.ts'
import { parseClientDocument, clientIdUrlProblem } from '../oauth/client-id-document.ts'
import type { RedirectPolicy } from '../oauth/redirect-uri.ts'
import type { ClientDocuments } from './clients.ts'

/** Settings of {@link createClientDocuments}. */
export interface ClientDocumentsOptions {
  readonly fetch: PublicFetch
  readonly redirectPolicy: () => RedirectPolicy
  /** Hosts whose documents count, by exact name. Null, the default, means all. */
  readonly allowedHosts?: readonly string[] | null
  /** Told why a document was refused. */
  readonly log?: Log
  /** A clock, in seconds. Defaults to the monotonic one of the process. */
  readonly now?: () => number
  /** Seconds a failure takes at least. Defaults to 0.2. */
  readonly failure?: number
}

/** Seconds a document is kept if its server says nothing, and at most. */
const lifetime = { usual: 300, longest: 86_400 }

/** Seconds in which a URL that failed is not asked again. */
const rest = 30

/** Milliseconds a login waits for a look at a document that was good when it began. */
const patience = 1_000

const maxKept = 1_000
const digits = /^\d+$/

/**
 * Finds clients by fetching their documents. Callers at the same time share one fetch; a good
 * document is kept as long as its server allows, a bad one never. What failed is left alone for a
 * while, remembered apart, so that a flood of bad URLs drives out no good client.
 *
 * `find` resolves to null if the URL or its document is not acceptable, or could not be had; quick
 * failures are no quicker than others, or the time they take would tell what listens where. It
 * throws `overloaded` if too many are asked for.
 */
export function createClientDocuments (options: ClientDocumentsOptions): ClientDocuments {
  const {
    fetch,
    redirectPolicy,
    allowedHosts,
    log,
    now = () => performance.now() / 1000,
    failure = 0.2
  } = options
  const good = new LRUCache<string, { client: Client, until: number }>({ max: maxKept })
  const bad = new LRUCache<string, { until: number, read: boolean }>({ max: maxKept })
  const loading = new Map<string, Promise<Client | null>>()

  async function load (id: string): Promise<Client | null> {
    const even = sleep(failure * 1000, null)
    let read = false
    try {
      const answer = await fetch(id)
      read = answer.status < 500
      const client = {
        id,
        ...parseClientDocument(jsonOf(answer), id, { redirectPolicy: redirectPolicy() })
      }
      const freshFor = freshnessOf(answer.headers)
      if (freshFor > 0) good.set(id, { client, until: now() + freshFor })
      return client
    } catch (error) {
      if (!(error instanceof McpOAuthError) || error.kind !== 'invalidClient') throw error
      bad.set(id, { until: now() + rest, read })
      log?.info({ err: error.cause }, 'A client metadata document could not be used')
      return await even
    }
  }

  const accepts = (id: string) =>
    clientIdUrlProblem(id) === null && allowedHosts?.includes(new URL(id).hostname) !== false

  const documents: ClientDocuments = {
    accepts,
    async isInvalidated (id) {
      if (!accepts(id)) return false
      const client = await withTimeout(
        patience,
        () => new Error('too late'),
        () => documents.find(id)
      ).catch(() => undefined)
      return client === null && bad.get(id)?.read === true
    },
    async find (id) {
      if (!accepts(id)) return null
      const known = good.get(id)
      if (known !== undefined && now() < known.until) return known.client
      if (now() < (bad.get(id)?.until ?? -Infinity)) return null
      const running = loading.get(id)
      if (running !== undefined) return running
      const started = load(id).finally(() => {
        loading.delete(id)
      })
      loading.set(id, started)
      return started
    }
  }
  return documents
}

function jsonOf ({ status, headers, text }: FetchResponse): string {
  if (status !== 200) {
    throw new McpOAuthError('invalidClient', { cause: new Error(`answered with status ${status}`) })
  }
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(single(headers['content-type']))) {
    throw new McpOAuthError('invalidClient', {
      cause: new Error('the answer is not JSON by its content type')
    })
  }
  return text
}

/**
 * Seconds an answer may be used again (RFC 9111 §4.2.1, as a shared cache). What cannot be
 * understood may not be kept.
 */
function freshnessOf (headers: FetchResponse['headers']): number {
  const directives = new Map(
    single(headers['cache-control']).toLowerCase().split(',').map(directive => {
      const [name = '', value = ''] = directive.split('=')
      return [name.trim(), value.trim().replace(/^"(.*)"$/, '$1')] as const
    })
  )
  if (['no-store', 'no-cache', 'private'].some(name => directives.has(name))) return 0
  const allowed = directives.get('s-maxage') ?? directives.get('max-age')
  if (allowed === undefined) return lifetime.usual
  if (!digits.test(allowed)) return 0
  const age = single(headers['age'])
  return Math.min(Number(allowed), lifetime.longest) - (digits.test(age) ? Number(age) : 0)
}

function single (header: string | string[] | undefined): string {
  return [header ?? ''].flat().join(', ')
}
