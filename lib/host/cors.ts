/** How do our URLs reply to other methods, and to web pages of other origins? */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { preflightMaxAgeSeconds } from '../limits.ts'
import { isolatedRoute } from './isolate.ts'
import { replyWithError } from './replies.ts'

/** Headers of every response that web pages of any origin may read. */
export const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate, DPoP-Nonce, Retry-After'
}

/**
 * Replies to the other methods of a URL: 405 (RFC 9110 §15.5.6), and 204 to preflights if web pages
 * of any origin may call it. It takes no cookies, so `*` gives a page nothing that its server could
 * not send itself.
 */
export function replyToOtherMethods (
  scope: FastifyInstance,
  url: string,
  methods: readonly string[],
  anyOrigin = true
) {
  if (anyOrigin) scope.options(url, isolatedRoute, preflightHandler(methods, corsHeaders))
  const handled = ['OPTIONS', ...methods]
  scope.route({
    ...isolatedRoute,
    url,
    method: scope.supportedMethods.filter(method => !handled.includes(method)) as HTTPMethods[],
    // Before any body is read.
    onRequest: async (_request, reply) => {
      reply.header('allow', methods.join(', '))
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
  scope.addHook('onRequest', async (_request, reply) => {
    reply.headers(corsHeaders)
  })
  scope.setErrorHandler((thrown: Error, request, reply) => {
    replyWithError(thrown, request, reply.headers(corsHeaders))
  })
}
