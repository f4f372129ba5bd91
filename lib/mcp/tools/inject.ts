/** How does a route recognise the in-process call of a tool? By a token that is used once. */

import { randomUUID } from 'node:crypto'
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import { McpOAuthError } from '../../errors.ts'
import { verifiedProofs } from '../../dpop/verifier.ts'
import type { VerifiedProof } from '../../dpop/verifier.ts'

/** Identifies a route, also among those with its method and URL for another host or version. */
export const routeMark = Symbol('fastify-mcp-oauth.route')

/** The config of a route that is a tool. */
export type MarkedConfig = FastifyContextConfig & { [routeMark]?: string }

/** Carries the token of an in-process call. */
export const injectTokenHeader = 'x-fastify-mcp-oauth-ticket'

/** An in-process call. */
interface InjectedCall {
  /**
   * The mark of the route. The router may choose another route: `/items/:id` filled with `special`
   * is `/items/special`, which need not be a tool.
   */
  mark: string
  /** The verified proof of the MCP request. */
  proof: VerifiedProof | undefined
}

/** The inject tokens of an app. */
export interface InjectTokens {
  /** Runs an in-process call with a token, which is valid until the call arrives or ends. */
  run<T>(call: InjectedCall, inject: (token: string) => Promise<T>): Promise<T>
}

const tokensByApp = new WeakMap<FastifyInstance, InjectTokens>()

/**
 * Returns the inject tokens of an app. All its registrations share them, because each hook sees,
 * and would reject, the calls of every registration.
 *
 * A guarded route gets the access token of the MCP request, but no DPoP proof: a proof is for one
 * URL and one use. The proof of the MCP request covers the call, which is a part of it. The guard
 * of the route still checks the token and its binding. A token is random, for one call, and spent
 * when the call arrives, so a logged token is worthless. It grants nothing without a proof.
 */
export function injectTokensOf (root: FastifyInstance): InjectTokens {
  const existing = tokensByApp.get(root)
  if (existing !== undefined) return existing
  const calls = new Map<string, InjectedCall>()
  const tokens: InjectTokens = {
    async run (call, inject) {
      const token = randomUUID()
      calls.set(token, call)
      try {
        return await inject(token)
      } finally {
        calls.delete(token)
      }
    }
  }
  tokensByApp.set(root, tokens)
  // Rejects unknown tokens, and calls that the router took to another route than their own.
  root.addHook('onRequest', (request, _reply, done) => {
    const token = request.headers[injectTokenHeader]
    if (token === undefined) return done()
    delete request.headers[injectTokenHeader]
    const call = calls.get(String(token))
    calls.delete(String(token))
    const config: MarkedConfig = request.routeOptions.config
    if (call === undefined || call.mark !== config[routeMark]) {
      return done(new McpOAuthError('notFound'))
    }
    if (call.proof !== undefined) verifiedProofs.set(request, call.proof)
    done()
  })
  return tokens
}
