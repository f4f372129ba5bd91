/** Which requests that no route serves were meant for our endpoints? */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { internal } from './internals.ts'

/** Has the function that Fastify calls for each request before it logs the request. */
type NotFoundContext = Pick<FastifyInstance, 'childLoggerFactory'>

/** Calls a function for each request that no route serves, before it is logged. */
export function onNotFound (instance: FastifyInstance, visit: (raw: IncomingMessage) => void) {
  instance.addHook('onReady', async () => {
    for (const context of contextsOf(instance)) {
      const create = context.childLoggerFactory
      context.childLoggerFactory = function (logger, bindings, options, raw) {
        visit(raw as IncomingMessage)
        return create.call(this, logger, bindings, options, raw)
      }
    }
  })
}

/**
 * Removes the query of requests that no route serves if their path is nearly one of ours, such as
 * `/oauth/callback/`: it has codes and states, and Fastify logs it.
 *
 * @param paths in lower case, as clients send them
 */
export function dropQueries (instance: FastifyInstance, paths: readonly string[]) {
  onNotFound(instance, (raw) => {
    const [path = ''] = raw.url?.split('?', 1) ?? []
    if (paths.some(known => plain(path).startsWith(known))) raw.url = path
  })
}

/** The contexts of an instance and all above it: the paths may lack the prefix. */
function contextsOf (instance: FastifyInstance) {
  const contexts = new Set<NotFoundContext>()
  for (let at: object | null = instance; at !== null; at = Object.getPrototypeOf(at)) {
    const context = internal(at, 'fastify.404ContextKey') as NotFoundContext | undefined
    if (context) contexts.add(context)
  }
  return contexts
}

/** A path in lower case, with single slashes and without percent-encoding. */
function plain (path: string) {
  return path.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/[\\/]+/g, '/').toLowerCase()
}
