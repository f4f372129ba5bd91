/** How does an endpoint of an authorization server of ours become routes of the host's app? */

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { maxOAuthBodyBytes } from '../limits.ts'
import { isRefusal, type McpOAuthError } from '../errors.ts'
import { invalidRequest, parameters } from '../oauth/parameters.ts'
import type { Config } from '../options/config.ts'
import { warnOfLostPaths } from './addresses.ts'
import { closingOf } from './closing.ts'
import { allowAnyOrigin, isolatedScope, publicRoute, replyToOtherMethods } from './isolate.ts'
import type { Events } from './events.ts'
import { dropQueries } from './not-found.ts'
import { createRateLimits, type EndpointLimit, type RateLimit } from './rate-limits.ts'
import { cacheableHeaders, openerPolicy, safeLogger, securityHeaders } from './replies.ts'
import { checkedBy, checkOnListen } from './self-check.ts'

/**
 * One endpoint. Routes, preflights, 405 responses, the metadata document and the redirect URIs that
 * clients cannot register all follow from it.
 */
export interface Endpoint<Server> {
  /** The path is `/oauth/{name}`. */
  name: string
  methods: ReadonlyArray<'GET' | 'HEAD' | 'POST'>
  /** Whether pages of any origin may read responses: only without credentials of the browser. */
  anyOrigin?: boolean
  /** Member of the metadata document that holds the URL (RFC 8414 §2). */
  metadata?: `${string}_endpoint` | 'jwks_uri'
  /** Whether caches may keep it. Default: no response is stored. */
  isCacheable?: boolean
  /** Whether MCP 2025-03-26 clients look for it at `/{name}` when they find no metadata. */
  legacy?: boolean
  /** Media type of the body. Absent: a body is not read. */
  body?: 'form' | 'json'
  /** In bytes. Default: that of all our endpoints. */
  bodyLimit?: number
  /** Default: there is none. */
  limit?: RateLimit
  /** For endpoints that browsers open: shows errors. Default: errors are OAuth JSON. */
  errorHandler?(server: Server): RouteOptions['errorHandler'] & object
  /** Default: always. */
  isServed?(server: Server): boolean
  /** Adds the route. Default: the scope does. */
  addRoute?(scope: FastifyInstance, route: RouteOptions): Promise<void>
  handle(server: Server, request: FastifyRequest, reply: FastifyReply): unknown
}

interface ServedServer {
  config: Config
  events: Events
  urls(): { publicUrl: string }
}

/** Path of an endpoint below the prefix. */
export function pathOf ({ name }: { name: string }) {
  return `/oauth/${name}`
}

const mediaTypes = { json: 'application/json', form: 'application/x-www-form-urlencoded' }

/**
 * Serves the endpoints of a server in a scope that is isolated from the host.
 *
 * @returns a function of the base URL, which returns the members of the metadata document that hold
 *   the URLs of the endpoints (RFC 8414 §2)
 */
export function serveEndpoints<Server extends ServedServer> (
  instance: FastifyInstance,
  server: Server,
  endpoints: ReadonlyArray<Endpoint<Server>>
): (base: string) => Record<string, string> {
  const { config, events } = server
  const { prefix, legacyEndpoints } = config
  const limitOf = config.rateLimits && createRateLimits(instance, config.rateLimits, config, events)
  const served = endpoints.filter(({ isServed = () => true }) => isServed(server))
  const routes = served.flatMap(endpoint => [
    { endpoint, url: pathOf(endpoint) },
    ...(legacyEndpoints && endpoint.legacy ? [{ endpoint, url: `/${endpoint.name}` }] : [])
  ])
  for (const cacheable of [false, true]) {
    isolatedScope(instance, prefix, (scope) => {
      for (const { endpoint, url } of routes) {
        if ((endpoint.isCacheable ?? false) !== cacheable) continue
        const { name, limit } = endpoint
        serve(scope, server, endpoint, url, limit && limitOf ? limitOf(name, limit) : null)
      }
    }, cacheable ? cacheableHeaders : securityHeaders)
  }
  const checks = routes.map(({ endpoint, url }) => {
    const { methods: [method = 'GET'], body } = endpoint
    return { method, url: prefix + url, body, type: typeOf(endpoint) }
  })
  checkOnListen(instance, checks, server.urls)
  const types = Object.fromEntries(
    checks.map(({ url, body }) => [url, body && mediaTypes[body]])
  )
  dropQueries(instance, Object.keys(types).map(path => path.toLowerCase()))
  warnOfLostPaths(instance, types, safeLogger(instance.log))
  return base =>
    Object.fromEntries(
      served.flatMap(endpoint =>
        endpoint.metadata ? [[endpoint.metadata, base + pathOf(endpoint)]] : []
      )
    )
}

function typeOf<Server> ({ errorHandler }: Endpoint<Server>) {
  return errorHandler ? 'text/html' : 'application/json'
}

function serve<Server> (
  scope: FastifyInstance,
  server: Server,
  endpoint: Endpoint<Server>,
  url: string,
  limit: EndpointLimit | null
) {
  const { methods, anyOrigin = false, body, bodyLimit = maxOAuthBodyBytes, errorHandler } = endpoint
  const { running } = closingOf(scope)
  scope.register(async (scope) => {
    if (body !== undefined) acceptBody(scope, body)
    if (anyOrigin) allowAnyOrigin(scope)
    if (errorHandler) {
      scope.addHook('onRequest', (_request, reply, done) => {
        reply.headers(openerPolicy)
        done()
      })
    }
    if (limit) scope.addHook('onRequest', request => limit.check(request))
    const addRoute = endpoint.addRoute ?? (async (scope, route) => {
      scope.route(route)
    })
    await addRoute(scope, {
      url,
      method: [...methods],
      config: publicRoute,
      exposeHeadRoute: false,
      bodyLimit,
      ...(errorHandler && { errorHandler: errorHandler(server) }),
      ...checkedBy(scope, typeOf(endpoint), (request, reply) => {
        const result = endpoint.handle(server, request, reply)
        return result instanceof Promise ? awaited(request, result) : result
      })
    })
  })
  replyToOtherMethods(scope, url, methods, anyOrigin)

  /** The app waits for it, also after the client has disconnected. */
  async function awaited (request: FastifyRequest, result: Promise<unknown>) {
    const entry = { isAwaited: true }
    running.add(entry)
    try {
      return await result
    } catch (error) {
      // Every client with DPoP gets the first error from time to time. For the second, this server
      // requested URLs that a stranger named.
      const counts = isRefusal(error)
        ? error.kind !== 'useDpopNonce'
        : (error as McpOAuthError).kind === 'clientUnavailable'
      if (counts) limit?.countRefusal(request)
      throw error
    } finally {
      running.delete(entry)
    }
  }
}

/**
 * Accepts bodies of one kind only. Forms remain text: repeated parameters must stay visible. JSON
 * with members called `__proto__` is rejected.
 */
export function acceptBody (scope: FastifyInstance, kind: 'form' | 'json') {
  const parseJson = scope.getDefaultJsonParser('error', 'error')
  // The limit is for routes that `addRoute` adds without one.
  const options = { parseAs: 'string', bodyLimit: maxOAuthBodyBytes } as const
  scope.addContentTypeParser<string>(mediaTypes[kind], options, (request, text, done) => {
    const contentType = request.headers['content-type'] ?? ''
    const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType) ?? []
    if (charset.toLowerCase() !== 'utf-8') done(invalidRequest('Only UTF-8 is accepted.'))
    else if (kind === 'json') parseJson(request, text, done)
    else done(null, text)
  })
}

/**
 * The parameters of a form, each with all its values.
 *
 * @throws {McpOAuthError} `invalidRequest` if the request has no form
 */
export function formOf ({ body }: FastifyRequest) {
  if (typeof body !== 'string') throw invalidRequest()
  return parameters(body)
}

/**
 * Returns the query of a request as it was sent. `request.query` depends on the parser of the host,
 * and may hide repeated parameters.
 */
export function queryOf ({ raw: { url = '' } }: FastifyRequest) {
  return url.slice(url.indexOf('?') + 1 || url.length)
}
