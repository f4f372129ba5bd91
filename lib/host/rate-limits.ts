/** How many requests may one address send to an endpoint in a minute? */
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { McpOAuthError } from '../errors.ts'
import { reasonOf } from '../http/condition.ts'
import { maxCountedAddresses, rateLimitWindowMs, requestsPerWindow } from '../limits.ts'
import { isLoopbackHost } from '../oauth/url.ts'
import type { Config } from '../options/config.ts'
import type { Log, Store } from '../types.ts'
import { hash } from '../util/hash.ts'
import { lazy } from '../util/lazy.ts'
import { isBoundToLoopback, loadOnListen } from './app.ts'
import type { Events } from './events.ts'
import { loggedErrors, safeLogger } from './replies.ts'

/** The member of the option `rateLimits` that an endpoint has. */
export type RateLimit = 'register' | 'authorize' | 'token'

/** The limit of one endpoint. */
export type EndpointLimit = ReturnType<ReturnType<typeof createRateLimits>>

const loadRateLimit = lazy('rateLimits', () => import('@fastify/rate-limit'))

/**
 * Creates the rate limits of a registration. All requests are counted, but at the endpoints for
 * tokens only those that are refused: hosted clients refresh the tokens of all users from a few
 * addresses, at once after a deployment.
 */
export function createRateLimits (
  instance: FastifyInstance,
  rateLimits: Partial<Record<RateLimit, number>>,
  { store, publicUrl, prefix }: Config,
  events: Events
) {
  const log = safeLogger(instance.log)
  const isExempt = createExemptions(log)
  const counter = createCounter(store, `${publicUrl} ${prefix}`, log)
  loadOnListen(instance, log, async () => !isBoundToLoopback(instance.server) && loadRateLimit())

  /**
   * Creates a limiter without adding the plugin: a host that uses it, too, has its decorators, and
   * would read our route options and count twice.
   */
  async function createLimiter (name: string, max: number) {
    const { default: rateLimit, normalizeIP } = await loadRateLimit()
    const own = {} as Pick<FastifyInstance, 'createRateLimit'>
    const scope = Object.assign(Object.create(instance), {
      hasDecorator: () => false,
      decorate: (name: 'createRateLimit', value: never) => (own[name] = value),
      decorateRequest () {},
      addHook () {}
    })
    const Store = class {
      incr = counter.incr
      child = () => counter as never
    }
    await rateLimit(scope, { global: false, store: Store }, () => {})
    const keyGenerator = ({ ip }: FastifyRequest) => `${name} ${normalizeIP(withoutPort(ip))}`
    return own.createRateLimit({ max, timeWindow: rateLimitWindowMs, keyGenerator })
  }

  return (name: string, limit: RateLimit) => {
    const max = rateLimits[limit] ?? requestsPerWindow
    let limiter: ReturnType<typeof createLimiter> | undefined

    async function count (request: FastifyRequest, increment: boolean) {
      if (isExempt(request)) return null
      try {
        const state = await (await (limiter ??= createLimiter(name, max)))(request, { increment })
        return !state.isAllowed && state.isExceeded ? state : null
      } catch {
        // The package is missing, which loadOnListen has in the log.
        limiter = undefined
        return null
      }
    }

    return {
      /** @throws {McpOAuthError} `tooManyRequests` */
      async check (request: FastifyRequest) {
        const state = await count(request, limit !== 'token')
        if (state === null) return
        const error = new McpOAuthError('tooManyRequests', { retryAfter: state.ttlInSeconds })
        if (counter.isFirst(state.key)) {
          safeLogger(request.log).warn(
            { option: `rateLimits.${limit}`, address: events.addressOf(request), code: error.code },
            `An address sent ${max} requests to /oauth/${name}${
              limit === 'token' ? ' that were refused' : ''
            } in a minute. ` +
              'Block it at the reverse proxy, or raise the option if many users share it'
          )
          const denial = { status: 429, error: error.error, reason: `rateLimits.${limit}` }
          events.of(request)('request.denied', denial)
        }
        loggedErrors.add(error)
        throw error
      },

      /** Counts a request to the endpoints for tokens that was refused. */
      async countRefusal (request: FastifyRequest) {
        if (limit === 'token') await count(request, true)
      }
    }
  }
}

type Done = (error: null, state: { current: number, ttl: number }) => void

/**
 * Counts in windows of the clock, here and in the store. No request waits for the store, whose sum
 * of all instances counts for the next one: while it fails, each instance counts alone.
 */
function createCounter (store: Store | null, context: string, log: Log) {
  // The option max would reserve the memory of all entries at once.
  const entries = new LRUCache<string, { window: number, sum: number, isRefused?: boolean }>({
    maxSize: maxCountedAddresses,
    sizeCalculation: () => 1
  })
  let isFailing = false

  function count (isAdded: boolean, key: string, done: Done, windowMs: number, max: number) {
    const now = Date.now()
    const window = Math.floor(now / windowMs)
    const known = entries.get(key)
    const entry = known?.window === window ? known : { window, sum: 0 }
    // Over the limit all requests count.
    if (isAdded || entry.sum >= max) {
      entry.sum++
      entries.set(key, entry)
    }
    done(null, { current: entry.sum, ttl: (window + 1) * windowMs - now })
    if (!isAdded || entry.sum > max) return
    const id = `mcp-oauth:rate:${hash(`${context} ${key} ${window}`)}`
    store?.increment?.(id, windowMs / 1000).then((sum) => {
      isFailing = false
      const entry = entries.get(key)
      if (entry?.window === window && sum > entry.sum) entry.sum = sum
    }, (err) => {
      if (!isFailing) log.warn({ reason: reasonOf(err) }, 'Could not count requests in the store')
      isFailing = true
    })
  }

  return {
    incr: count.bind(null, true),
    read: count.bind(null, false),
    /** Whether this is the first refusal of a key in its window. */
    isFirst (key: string) {
      const entry = entries.get(key)
      const isFirst = entry?.isRefused !== true
      if (entry) entry.isRefused = true
      return isFirst
    }
  }
}

/** Some reverse proxies write the port as well. */
const withoutPort = (ip: string) => ip.replace(/^\[([^\]]+)\](?::\d+)?$|^([\d.]+):\d+$/, '$1$2')

const privateNetworks =
  /^(?:10|127|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[0-2]\d))\.|^(?:::1$|f[cde])/i

/**
 * Returns whether a request is not counted: it comes from this machine, or from a reverse proxy
 * that Fastify does not trust, so that all users have its address.
 */
function createExemptions (log: Log) {
  let hasDirectClients = false
  let isReported = false
  return ({ ip: written, ips, headers }: FastifyRequest) => {
    const ip = withoutPort(written)
    if (!isIP(ip)) return true
    const address = ip.replace(/^::ffff:/i, '')
    const isPublic = !privateNetworks.test(address)
    // Only with trustProxy there are `ips`.
    if (ips || (headers['x-forwarded-for'] ?? headers.forwarded) === undefined) {
      hasDirectClients ||= isPublic
      return isLoopbackHost(address)
    }
    // Where others connect directly, any client could escape its limit with this header.
    if (isPublic && hasDirectClients) return false
    if (!isReported) {
      log.warn(
        { option: 'trustProxy' },
        'Rate limits do not apply behind a reverse proxy that is not trusted. ' +
          'Give fastify() the address of the proxy as trustProxy'
      )
    }
    return (isReported = true)
  }
}
