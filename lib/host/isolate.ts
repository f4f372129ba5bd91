/** How do our routes behave the same on every host, for every method and for web pages? */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { preflightMaxAgeSeconds } from '../limits.ts'
import { type Running, closingOf } from './closing.ts'
import { logSerializers, replyWithError, securityHeaders } from './replies.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Set on the routes of this package. Routes with `public: true` are reached without
     * credentials: an app-wide authentication hook can skip them.
     */
    mcpOAuth?: { readonly public: boolean }
    /** `false` keeps @fastify/cors of the host from handling a route. */
    cors?: unknown
  }
}

/** Route configuration of our public routes. */
export const publicRoute = Object.freeze({ mcpOAuth: Object.freeze({ public: true }), cors: false })

const kRunning = Symbol('fastify-mcp-oauth.running')
type WithRunning = FastifyRequest & { [kRunning]?: Running }

/** Options of a route outside an isolated scope: the discovery documents live at the root. */
export const isolatedRoute = {
  config: publicRoute,
  schema: { hide: true },
  exposeHeadRoute: false,
  errorHandler: replyWithError
}

/**
 * Adds a scope that is isolated from its host: parsers, validation, serialization and error
 * handling are ours, and its routes stay out of generated API documents. Hooks of the host still
 * run, because it logs, limits and traces with them.
 *
 * @param prefix starts with that of the instance
 * @param addRoutes adds the routes of the scope
 * @param headers of every response
 */
export function isolatedScope (
  instance: FastifyInstance,
  prefix: string,
  addRoutes: (scope: FastifyInstance) => void,
  headers: Record<string, string> = securityHeaders
) {
  instance.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    // Our routes check their input themselves: schemas that a hook of the host adds have no effect.
    scope.setValidatorCompiler(() => () => true)
    scope.setSerializerCompiler(() => JSON.stringify)
    scope.setErrorHandler(replyWithError)
    scope.addHook('onRoute', (route) => {
      route.schema = { ...route.schema, hide: true }
    })
    const closing = closingOf(scope)
    scope.decorateRequest(kRunning, null)
    scope.addHook('onRequest', (request, reply, done) => {
      reply.headers(headers)
      const { hasBegun: isLate, running } = closing
      const entry: Running = { reply, isAwaited: !isLate }
      running.add(entry)
      ;(request as WithRunning)[kRunning] = entry
      // Not once(): it is emitted once only, and to remove a listener costs more than to keep it.
      reply.raw.on('close', () => {
        running.delete(entry)
        entry.onClose?.()
      })
      // The MCP route replies with the id in the body. Pages can read replies after a preflight.
      const isRefused = isLate && request.method !== 'OPTIONS' &&
        request.routeOptions.config.mcpOAuth?.public
      done(isRefused ? new McpOAuthError('closing') : undefined)
    })
    scope.addHook('onSend', ({ raw: { httpVersionMajor } }, reply, _payload, done) => {
      // The client uses another connection for its next request.
      if (closing.hasBegun && httpVersionMajor < 2) reply.header('connection', 'close')
      done()
    })
    addRoutes(scope)
  }, { prefix: prefix.slice(instance.prefix.replace(/\/+$/, '').length), logSerializers })
}

/** How the app waits for a request of an isolated scope. */
export function runningOf (request: FastifyRequest): Running {
  return (request as WithRunning)[kRunning] ?? { isAwaited: true }
}

/** Headers of every response that web pages of any origin may read. */
export const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate, DPoP-Nonce, Retry-After'
}

/**
 * Replies to the other methods of a URL: 405 (RFC 9110 §15.5.6), and 204 to OPTIONS, with leave to
 * call it for web pages of any origin, if so. It takes no cookies, so `*` gives a page nothing that
 * its server could not send itself.
 */
export function replyToOtherMethods (
  scope: FastifyInstance,
  url: string,
  methods: readonly string[],
  anyOrigin = true
) {
  const allow = methods.join(', ')
  scope.options(
    url,
    isolatedRoute,
    anyOrigin
      ? preflightHandler(methods, corsHeaders)
      : (_request, reply) => reply.code(204).header('allow', allow).send()
  )
  const handled = ['OPTIONS', ...methods]
  scope.route({
    ...isolatedRoute,
    url,
    method: scope.supportedMethods.filter(method => !handled.includes(method)) as HTTPMethods[],
    // Before any body is read.
    onRequest: async (_request, reply) => {
      reply.header('allow', allow)
      throw new McpOAuthError('methodNotAllowed')
    },
    handler: async () => {}
  })
}

/**
 * Makes the handler of the preflights of a URL.
 *
 * @param headers further headers of the reply, such as the allowed origin
 */
export function preflightHandler (methods: readonly string[], headers: object = {}) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    const requested = request.headers['access-control-request-headers'] ?? ''
    return reply.code(204).headers({
      ...headers,
      'access-control-allow-methods': methods.join(', '),
      // Well-formed names of any kind: a list would need the names of all Mcp-Param-* headers.
      'access-control-allow-headers': /^[\w, -]{1,1000}$/.test(requested)
        ? requested
        : 'authorization, content-type, mcp-protocol-version',
      'access-control-max-age': String(preflightMaxAgeSeconds)
    }).send()
  }
}

/**
 * Lets web pages of any origin read the responses of a scope, including errors thrown by parsers
 * and by hooks of the host.
 */
export function allowAnyOrigin (scope: FastifyInstance) {
  scope.addHook('onRequest', (_request, reply, done) => {
    reply.headers(corsHeaders)
    done()
  })
  scope.setErrorHandler((thrown: Error, request, reply) => {
    replyWithError(thrown, request, reply.headers(corsHeaders))
  })
}
