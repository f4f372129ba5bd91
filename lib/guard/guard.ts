/** Which requests may pass to a protected route, and with which error are others refused? */
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { createTokenBinding } from '../dpop/verifier.ts'
import { failure, isRefusal, McpOAuthError } from '../errors.ts'
import { queryOf } from '../host/endpoint.ts'
import { safeLogger } from '../host/replies.ts'
import { assertSentOnce, parseAccessToken, rejectedScheme } from '../oauth/bearer.ts'
import { heldScopes, mergeScopes, missingScopes } from '../oauth/scope.ts'
import type { Config } from '../options/config.ts'
import type { McpAuth, TokenVerifier, VerifyContext } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { isPlainObject } from '../util/json.ts'
import type { KnownCaller } from '../verifiers/verifier.ts'
import type { CallerEvents } from './caller-events.ts'
import { createChallenging } from './challenging.ts'
import {
  type AnyReply,
  type AnyRequest,
  type HostHook,
  inProcessRequests,
  noteResponse,
  routeGuards,
  runHooks
} from './hooks.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller, after a guard let the request pass; `null` before, and on unguarded routes. */
    mcpAuth: McpAuth | null
  }
}

/** Requirements of a guarded route beyond a valid token. */
export interface GuardOptions {
  /** Scopes that the caller needs, in addition to the `requiredScopes` of the registration. */
  scopes?: readonly string[]
  /**
   * Hooks that check requests over plain HTTP instead of this guard, such as the guard that the
   * route had before. Calls of tools are checked by this guard alone (with `auth: false` by the
   * hooks too), and the routes of the plugin by their own guards.
   */
  or?: HostHook | readonly HostHook[]
}

/** A hook that lets a request pass or throws. Use it as `onRequest` or `preHandler`. */
export type Guard = (request: AnyRequest, reply: AnyReply) => Promise<void>

const verifiedToken = Symbol('fastify-mcp-oauth.token')
type Verified = FastifyRequest & { [verifiedToken]?: string }

/** The checks of one registration. */
export type Guards = ReturnType<typeof createGuards>

/** A verifier that throws for a token that it does not recognize. */
type Verify = ((...given: Parameters<TokenVerifier>) => Promise<McpAuth>) & { known?: KnownCaller }

/** @param verify null if nothing verifies tokens */
export function createGuards (
  config: Config,
  verify: Verify | null,
  urls: UrlSource,
  events: Pick<CallerEvents, 'refused'>
) {
  const { dependencies, requiredScopes, scopeHierarchy } = config
  const binding = createTokenBinding(config, urls)
  const challenge = createChallenging(urls, binding.schemes)
  const acceptsBearer = (binding.schemes as readonly string[]).includes('Bearer')

  const contextOf = ({ log }: FastifyRequest, now: number): VerifyContext => ({
    resource: urls().resource,
    now,
    dpop: config.dpop !== 'off',
    log: safeLogger(log)
  })

  function requireScopes (caller: McpAuth, scopes: readonly string[]) {
    const missing = missingScopes(heldScopes(caller), scopes, scopeHierarchy)
    if (missing.length > 0) throw new McpOAuthError('insufficientScope', { scopes })
  }

  /** Puts the headers of a refusal on the reply, and tells of it. */
  function refuse<Thrown> (
    error: Thrown,
    request: FastifyRequest,
    reply: FastifyReply,
    needed: readonly string[],
    caller = request.mcpAuth
  ) {
    challenge(error, request, reply, needed)
    events.refused(error, request, caller, needed)
    return error
  }

  /** Verifies the access token of a request, its sender and its scopes. Needs no body. */
  function admit (
    request: FastifyRequest,
    reply: FastifyReply,
    scopes: readonly string[],
    verify: Verify
  ) {
    const now = Date.now() / 1000
    let caller: McpAuth | undefined

    function pass (caller: McpAuth, token: string) {
      requireScopes(caller, scopes)
      request.mcpAuth = caller
      ;(request as Verified)[verifiedToken] = token
    }
    function fail (error: unknown): never {
      refuse(error, request, reply, scopes, caller ?? null)
      throw error
    }
    try {
      const { headers: { authorization }, raw: { rawHeaders } } = request
      // A token that was seen before is well-formed.
      const token = acceptsBearer && authorization?.startsWith('Bearer ')
        ? authorization.slice(7)
        : ''
      caller = verify.known?.(token, { resource: urls().resource, now })
      if (caller !== undefined) {
        assertSentOnce(rawHeaders, queryOf(request))
        // A proof comes with another scheme, so that this returns no promise.
        binding.verify(caller, { token, scheme: 'Bearer' }, request, reply, now)
        pass(caller, token)
        return undefined
      }
      const sent = parseAccessToken(authorization, rawHeaders, queryOf(request), binding.schemes)
      if (sent === null) {
        const cause = rejectedScheme(authorization, config.dpop)
        throw new McpOAuthError('missingToken', { cause })
      }
      return verify(sent.token, contextOf(request, now)).then(async (verified) => {
        caller = verified
        await binding.verify(caller, sent, request, reply, now)
        pass(caller, sent.token)
      }).catch(fail)
    } catch (error) {
      return fail(error)
    }
  }

  const guards = {
    /**
     * Verifies the access token. Passes if nothing verifies tokens. With a callback: a
     * promise costs more than the rest, where the token is known or missing.
     */
    token: (scopes: readonly string[]): onRequestHookHandler => (request, reply, done) => {
      if (verify === null) return done()
      if (request.headers.authorization === undefined) {
        return done(refuse(new McpOAuthError('missingToken'), request, reply, scopes))
      }
      try {
        const admission = admit(request, reply, scopes, verify)
        if (admission === undefined) done()
        else admission.then(() => done(), done)
      } catch (error) {
        done(error as Error)
      }
    },

    /**
     * Runs the dependencies and merges their results into `request.mcpAuth`. Scopes are checked
     * against the result: without tokens, the dependencies are their only source.
     */
    dependencies: (scopes: readonly string[]): Guard => async (request, reply) => {
      if (dependencies.length === 0) return
      const hasResponded = noteResponse(reply)
      try {
        for (const dependency of dependencies) {
          addIdentity(request, await dependency(request, reply))
          if (hasResponded()) return await reply
        }
        // Dependencies that return no identity authenticate the request all the same.
        requireScopes(request.mcpAuth ??= anonymous(request), scopes)
      } catch (error) {
        refuse(error, request, reply, scopes)
        throw error
      }
    },

    /** The guard of `instance.requireMcpAuth(options)`. */
    route ({ scopes = [], or }: GuardOptions): Guard {
      const needed = mergeScopes(requiredScopes, scopes)
      const isOpen = verify === null && config.dependencies.length === 0
      const dependencies = guards.dependencies(needed)
      const guard: Guard = async (request, reply) => {
        // Where this guard checks nothing, a tool would open a route that the hooks close.
        if (or !== undefined && (isOpen || !inProcessRequests.has(request))) {
          if (request.routeOptions.config.mcpOAuth !== undefined) return
          return await runHooks([or].flat(), request, reply)
        }
        if (verify !== null) await admit(request, reply, needed, verify)
        await dependencies(request, reply)
      }
      routeGuards.set(guard, scopes)
      return guard
    },

    /** Checks the scopes that one operation needs beyond those of its route. */
    async operation (
      request: FastifyRequest,
      reply: FastifyReply,
      scopes: readonly string[]
    ) {
      const caller = request.mcpAuth
      if (caller === null && verify !== null) throw failure('missingToken', 'mcpAuth was removed')
      if (caller === null || scopes.length === 0) return
      const needed = mergeScopes(requiredScopes, scopes)
      try {
        requireScopes(caller, needed)
      } catch (error) {
        refuse(error, request, reply, needed)
        throw error
      }
    },

    /**
     * Whether the token of an accepted request would still be accepted. A check that fails with a
     * server error does not count against it.
     */
    async isStillValid (request: FastifyRequest) {
      const { [verifiedToken]: token } = request as Verified
      if (token === undefined || verify === null) return true
      try {
        const context = contextOf(request, Date.now() / 1000)
        requireScopes(await verify(token, context), requiredScopes)
        return true
      } catch (error) {
        return !isRefusal(error)
      }
    }
  }
  return guards
}

/** Merges the result of a dependency into the caller. A predicate that returns false refuses. */
function addIdentity (request: FastifyRequest, identity: unknown) {
  if (identity === false) throw failure('invalidToken', 'a dependency returned false')
  if (isPlainObject(identity)) {
    request.mcpAuth = { ...request.mcpAuth ?? anonymous(request), ...identity }
  }
}

function anonymous ({ headers: { authorization = '' } }: FastifyRequest) {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
  return { token, clientId: '', scopes: [] }
}
