import { randomUUID } from 'node:crypto'
import type { FastifyContextConfig, onRequestHookHandler } from 'fastify'
import { McpOAuthError } from '../../errors.ts'
import { setVerifiedProof, type VerifiedProof } from '../../dpop/verified-proof.ts'

/**
 * Tells a route from all others, also from those of the same method and URL for another host or
 * version.
 */
export const routeMark = Symbol('fastify-mcp-oauth.route')

/** Carries the ticket of an in-process call. */
export const injectTokenHeader = 'x-fastify-mcp-oauth-ticket'

/** What an in-process call may do. */
export interface Call {
  /**
   * The route it is meant for. The router may find another one: `/items/:id` filled with `special`
   * is `/items/special`, which need not be a tool.
   */
  readonly mark: string
  /** What the MCP request behind it has proven about its token. */
  readonly proof: VerifiedProof | undefined
}

/** Calls on their way to our hook, by ticket. */
const calls = new Map<string, Call>()

/**
 * Runs an in-process call with a ticket for it.
 *
 * A route that is guarded itself gets the token of the MCP request, but a DPoP proof is for one URL
 * and one use: there is none for the route. What was proven with the MCP request holds for the
 * call, as it is a part of it: the guard of the route checks the token and its binding as ever, and
 * takes the proof of that key as given. Nobody else gets that far: a ticket is random, made for one
 * call, and gone when the call arrives, so that one which was written to a log is worth nothing.
 * And it grants nothing by itself: without a proof that a guard has checked there is nothing to
 * pass on.
 */
export async function withInjectToken<T> (
  call: Call,
  run: (ticket: string) => Promise<T>
): Promise<T> {
  const ticket = randomUUID()
  calls.set(ticket, call)
  try {
    return await run(ticket)
  } finally {
    calls.delete(ticket)
  }
}

/**
 * Stops a call that the router took to another route than it is meant for, and a ticket that is not
 * ours. Requests without one pass untouched.
 */
export const checkInjectToken: onRequestHookHandler = (request, _reply, done) => {
  const ticket = request.headers[injectTokenHeader]
  if (ticket === undefined) return done()
  delete request.headers[injectTokenHeader]
  const call = calls.get(String(ticket))
  calls.delete(String(ticket))
  if (
    call === undefined ||
    call.mark !==
      (request.routeOptions.config as FastifyContextConfig & { [routeMark]?: string })[
        routeMark
      ]
  ) return done(new McpOAuthError('notFound'))
  if (call.proof !== undefined) setVerifiedProof(request, call.proof)
  done()
}
