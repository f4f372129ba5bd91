/** How does a guard run the hooks of the host, and when does it run them instead of its checks? */
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'

/**
 * Requests that tools make in this process. The selection between two guards depends on this set
 * alone: no header, token or address can add to it.
 */
export const inProcessRequests: WeakSet<FastifyRequest> = new WeakSet()

/** The guards of `instance.requireMcpAuth()`, and the scopes that each needs of its own. */
export const routeGuards = new WeakMap<object, readonly string[]>()

/** Requests and replies of HTTP, HTTPS and HTTP/2, with any types of their parts. */
export type AnyRequest = FastifyRequest<any, any, any, any, any, any, any, any>
export type AnyReply = FastifyReply<any, any, any, any, any, any, any, any>

/** A hook of the host, as for `onRequest` and `preHandler`: asynchronous, or with a callback. */
export type HostHook = (
  request: AnyRequest,
  reply: AnyReply,
  done: HookHandlerDoneFunction
) => unknown

/** Runs hooks in order, as Fastify does. The first that throws or responds is the last. */
export async function runHooks (
  hooks: readonly HostHook[],
  request: FastifyRequest,
  reply: FastifyReply
) {
  const hasResponded = noteResponse(reply)
  for (const hook of hooks) {
    // A hook with a callback that responds may never call it: Fastify does not need it then.
    await new Promise<unknown>((resolve, reject) => {
      const done = (error?: Error) => error ? reject(error) : resolve(null)
      const result = hook.call(request.server, request, reply, done)
      if (typeof Object(result).then === 'function') resolve(result)
    })
    if (hasResponded()) return await reply
  }
}

/**
 * Returns whether a hook has responded, so that the route must not run. Fastify has no mark
 * for a response that waits for asynchronous hooks or error handlers of the host: `reply.sent` is
 * false, and the route would run although the hook refused. So the call itself is noted.
 */
export function noteResponse (reply: FastifyReply) {
  const { send } = reply
  let responded = false
  const noted: typeof send = payload => {
    responded = true
    return send.call(reply, payload)
  }
  reply.send = noted
  return () => responded || reply.sent
}
