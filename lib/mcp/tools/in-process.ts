/** Which requests are calls of tools in this process, and what limits them? */

import { randomUUID } from 'node:crypto'
import type {
  FastifyContextConfig,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler
} from 'fastify'
import { verifiedProofs } from '../../dpop/verifier.ts'
import { McpOAuthError } from '../../errors.ts'
import { inProcessRequests } from '../../guard/hooks.ts'
import type { Cancellation } from '../../util/cancellation.ts'
import type { RequestInfo } from '../servers/multiplexer.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The tool that makes this request in the process of the server; `null` for all other requests.
     * A hook of the whole app can skip what it has done for the MCP request already.
     *
     * @example
     * await app.register(rateLimit, { allowList: request => Boolean(request.mcpCall) })
     */
    readonly mcpCall: { readonly tool: string } | null
    /**
     * Tells the client of a tool how far its call is. Has no effect on other requests, and none if
     * the client has not asked for it.
     *
     * @param done increases from call to call. Other calls are ignored
     * @param total the value of `done` at the end, if it is known
     */
    mcpProgress(done: number, total?: number, message?: string): void
  }
}

/** Identifies a route, also among those with its method and URL for another host or version. */
export const routeMark = Symbol('fastify-mcp-oauth.route')

/** The config of a route that is a tool. */
export type MarkedConfig = FastifyContextConfig & { [routeMark]?: unknown }

/** Carries the token of an in-process call. */
export const injectTokenHeader = 'x-fastify-mcp-oauth-ticket'

/** The MCP request behind a call. */
export interface Caller extends RequestInfo {
  /** Cancelled when the client cancels the call or disconnects. The route sees that, too. */
  cancellation: Cancellation
  /** Tells the client how far the call is. */
  progress?: FastifyRequest['mcpProgress'] | undefined
}

/** An in-process call. */
export interface InProcessCall extends Caller {
  /** Name of the tool. */
  tool: string
  /**
   * The mark of the route. The router may choose another route: `/items/:id` filled with `special`
   * is `/items/special`, which need not be a tool.
   */
  mark: unknown
  /** The router chose another route, or the response has no end. */
  failure?: 'stray' | 'broken'
}

const arrivedCall = Symbol('fastify-mcp-oauth.call')
type Arrived = FastifyRequest & { [arrivedCall]?: InProcessCall }

/** The inject tokens of an app. */
export type InjectTokens = ReturnType<typeof createInjectTokens>

const tokensByApp = new WeakMap<FastifyInstance, InjectTokens>()

/**
 * Returns the inject tokens of an app. All its registrations share them, because each hook sees,
 * and would reject, the calls of every registration.
 */
export function injectTokensOf (root: FastifyInstance): InjectTokens {
  const tokens = tokensByApp.get(root) ?? createInjectTokens(root)
  tokensByApp.set(root, tokens)
  return tokens
}

/**
 * A guarded route gets the access token of the MCP request, but no DPoP proof: a proof is for one
 * URL and one use. The proof of the MCP request covers the call, which is a part of it. The guard
 * of the route still checks the token and its binding. A token is random, for one call, and spent
 * when the call arrives, so a logged token is worthless. It grants nothing without a proof.
 */
function createInjectTokens (root: FastifyInstance) {
  const waiting = new Map<string, InProcessCall>()

  /** The call behind a request. The first use spends the token, maybe in a hook of the host. */
  function callOf (request: Arrived) {
    const { headers } = request.raw
    const token = headers[injectTokenHeader]
    if (token === undefined) return request[arrivedCall]
    // A token that is unknown is dropped: the request continues as any other.
    delete headers[injectTokenHeader]
    const call = waiting.get(String(token))
    if (call === undefined) return undefined
    waiting.delete(String(token))
    request[arrivedCall] = call
    const config: MarkedConfig = request.routeOptions.config
    if (call.mark !== config[routeMark]) call.failure = 'stray'
    return call
  }

  const onCall: onRequestHookHandler = (request, reply, done) => {
    const call = callOf(request)
    if (call === undefined) return done()
    if (call.failure === 'stray') {
      reply.header('cache-control', 'no-store')
      return done(new McpOAuthError('notFound'))
    }
    inProcessRequests.add(request)
    if (call.proof !== undefined) verifiedProofs.set(request, call.proof)
    abortWith(call.cancellation, request, reply)
    if (!call.cancellation.isCancelled) done()
  }

  // Prototypes pass getters and methods on to scopes that exist already.
  root.decorateRequest('mcpCall', {
    getter (this: FastifyRequest) {
      const call = callOf(this)
      return call === undefined || call.failure === 'stray' ? null : { tool: call.tool }
    }
  })
  const report: FastifyRequest['mcpProgress'] = function (this: FastifyRequest, ...progress) {
    callOf(this)?.progress?.(...progress)
  }
  root.decorateRequest('mcpProgress', report)

  let isHooked = false
  return {
    /** Adds the hook of the app that receives the calls, once. Apps without tools have none. */
    receive () {
      if (isHooked) return
      isHooked = true
      root.addHook('onRequest', onCall)
    },
    /** Runs an in-process call with a token, which is valid until the call arrives or ends. */
    async run<T> (call: InProcessCall, inject: (token: string) => Promise<T>) {
      const token = randomUUID()
      waiting.set(token, call)
      try {
        return await inject(token)
      } finally {
        waiting.delete(token)
      }
    }
  }
}

/** Lets a route see a cancellation as it sees a client that disconnects. */
function abortWith (cancellation: Cancellation, { raw }: FastifyRequest, reply: FastifyReply) {
  const abort = () => {
    Object.assign(raw, { aborted: true })
    raw.destroy()
    reply.raw.destroy()
  }
  if (cancellation.isCancelled) return abort()
  cancellation.add(abort)
  reply.raw.once('close', () => cancellation.remove(abort))
}
