/** How do our routes behave the same on every host application? */
import type { FastifyInstance } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { closingOf } from './closing.ts'
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
 */
export function isolatedScope (
  instance: FastifyInstance,
  prefix: string,
  addRoutes: (scope: FastifyInstance) => void
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
    scope.addHook('onRequest', async (request, reply) => {
      reply.headers(securityHeaders)
      const { hasBegun: isLate, running } = closing
      const remove = () => running.delete(request)
      running.set(request, { reply, isAwaited: !isLate })
      reply.raw.once('finish', remove).once('close', remove)
      // The MCP route replies with the id in the body. Pages can read replies after a preflight.
      const { method, routeOptions: { config } } = request
      if (isLate && config.mcpOAuth?.public && method !== 'OPTIONS') {
        throw new McpOAuthError('closing')
      }
    })
    scope.addHook('onSend', async ({ raw: { httpVersionMajor } }, reply) => {
      // The client uses another connection for its next request.
      if (closing.hasBegun && httpVersionMajor < 2) reply.header('connection', 'close')
    })
    addRoutes(scope)
  }, { prefix: prefix.slice(instance.prefix.replace(/\/+$/, '').length), logSerializers })
}
