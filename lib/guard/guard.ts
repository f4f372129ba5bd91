/** Which requests may pass to a protected route, and what is a refused client told? */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createTokenBinding } from '../dpop/verifier.ts'
import { failure, McpOAuthError } from '../errors.ts'
import { queryOf } from '../host/endpoint.ts'
import { safeLogger } from '../host/replies.ts'
import { parseAccessToken, type Scheme } from '../oauth/bearer.ts'
import { challenge } from '../oauth/challenge.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { mergeScopes, missingScopes, scopesOf } from '../oauth/scope.ts'
import type { Config } from '../options/config.ts'
import type { McpAuth, TokenVerifier } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { isPlainObject } from '../util/json.ts'

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
}

/** A hook that lets a request pass or throws. Use it as `onRequest` or `preHandler`. */
export type Guard = (
  request: FastifyRequest<any, any, any, any, any, any, any, any>,
  reply: FastifyReply<any, any, any, any, any, any, any, any>
) => Promise<void>

/** The checks of one registration. */
export type Guards = ReturnType<typeof createGuards>

/** @param verify null if nothing verifies tokens */
export function createGuards (config: Config, verify: TokenVerifier | null, urls: UrlSource) {
  const { dependencies, requiredScopes, scopeHierarchy } = config
  const binding = createTokenBinding(config, urls)
  const challenging = createChallenging(urls, binding.schemes)
  // Weak: an entry must not outlive its request.
  const verifiedTokens = new WeakMap<FastifyRequest, string>()

  async function callerOf (token: string, request: FastifyRequest, now: number) {
    const caller = await verify?.(token, {
      resource: urls().resource,
      now,
      dpop: config.dpop !== 'off',
      log: safeLogger(request.log)
    })
    if (!caller) throw new McpOAuthError('invalidToken')
    return caller
  }

  // A dependency may set the scopes: they are read like those of a token.
  const lacksScopes = ({ scopes }: McpAuth, needed: readonly string[]) =>
    missingScopes(scopesOf({ scopes }), needed, scopeHierarchy).length > 0

  function requireScopes (caller: McpAuth, scopes: readonly string[]) {
    if (lacksScopes(caller, scopes)) throw new McpOAuthError('insufficientScope', { scopes })
  }

  const guards = {
    /**
     * Verifies the access token, its sender and its scopes. Needs no body. Passes if nothing
     * verifies tokens.
     */
    token: (scopes: readonly string[]): Guard => async (request, reply) => {
      if (verify === null) return
      await challenging(request, reply, scopes, async () => {
        const { headers: { authorization }, raw: { rawHeaders } } = request
        const sent = parseAccessToken(authorization, rawHeaders, queryOf(request), binding.schemes)
        if (sent === null) {
          const cause = rejectedScheme(authorization, config.dpop)
          throw new McpOAuthError('missingToken', { cause })
        }
        const now = Date.now() / 1000
        const caller = await callerOf(sent.token, request, now)
        await binding.verify(caller, sent, request, reply, now)
        requireScopes(caller, scopes)
        request.mcpAuth = caller
        verifiedTokens.set(request, sent.token)
      })
    },

    /**
     * Runs the dependencies and merges their results into `request.mcpAuth`. Scopes are checked
     * against the result: without tokens, the dependencies are their only source.
     */
    dependencies: (scopes: readonly string[]): Guard => async (request, reply) => {
      if (dependencies.length === 0) return
      const hasResponded = noteResponse(reply)
      for (const dependency of dependencies) {
        await challenging(request, reply, scopes, async () => {
          addIdentity(request, await dependency(request, reply))
        })
        if (hasResponded()) return await reply
      }
      // Dependencies that return no identity authenticate the request all the same.
      const caller = request.mcpAuth ??= anonymous(request)
      await challenging(request, reply, scopes, () => requireScopes(caller, scopes))
    },

    /** The guard of `instance.requireMcpAuth(options)`. */
    route ({ scopes = [] }: GuardOptions): Guard {
      const needed = mergeScopes(requiredScopes, scopes)
      const token = guards.token(needed)
      const dependencies = guards.dependencies(needed)
      return async (request, reply) => {
        await token(request, reply)
        await dependencies(request, reply)
      }
    },

    /** Checks the scopes that one operation needs beyond those of its route. */
    async operation (
      request: FastifyRequest,
      reply: FastifyReply,
      scopes: readonly string[]
    ) {
      const caller = request.mcpAuth
      if (caller === null || scopes.length === 0) return
      const needed = mergeScopes(requiredScopes, scopes)
      await challenging(request, reply, needed, () => requireScopes(caller, needed))
    },

    /**
     * Whether the token of an accepted request would still be accepted. A check that fails with a
     * server error does not count against it.
     */
    async isStillValid (request: FastifyRequest) {
      const token = verifiedTokens.get(request)
      if (token === undefined) return true
      try {
        requireScopes(await callerOf(token, request, Date.now() / 1000), requiredScopes)
        return true
      } catch (error) {
        return !(error instanceof McpOAuthError && error.statusCode < 500)
      }
    },

    /**
     * Whether a caller has scopes, including those that broader ones imply. Without authentication
     * there is no caller, and nothing is hidden.
     */
    holds: (caller: McpAuth | undefined, scopes: readonly string[]) =>
      caller === undefined || !lacksScopes(caller, scopes)
  }
  return guards
}

/**
 * Returns whether a dependency has responded, so that the route must not run. Fastify has no mark
 * for a response that waits for asynchronous hooks or error handlers of the host: `reply.sent` is
 * false, and the route would run although the dependency refused. So the call itself is noted.
 */
function noteResponse (reply: FastifyReply) {
  const { send } = reply
  let responded = false
  reply.send = payload => {
    responded = true
    return send.call(reply, payload)
  }
  return () => responded || reply.sent
}

/** Merges the result of a dependency into the caller. A predicate that returns false refuses. */
function addIdentity (request: FastifyRequest, identity: unknown) {
  if (identity === false) throw failure('invalidToken', 'a dependency returned false')
  if (isPlainObject(identity)) {
    request.mcpAuth = { ...request.mcpAuth ?? anonymous(request), ...identity }
  }
}

/** Returns why a token was not read from the header; undefined if there is none. */
function rejectedScheme (authorization = '', dpop: Config['dpop']) {
  const [, scheme] = /^(bearer|dpop) /i.exec(authorization) ?? []
  return scheme === undefined
    ? undefined
    : new Error(`a token has the scheme ${scheme}, which the option dpop ('${dpop}') rejects`)
}

function anonymous ({ headers: { authorization = '' } }: FastifyRequest): McpAuth {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
  return { token, clientId: '', scopes: [] }
}

/** Creates the challenges of one registration, with one header line for each scheme it accepts. */
function createChallenging (urls: UrlSource, schemes: readonly Scheme[]) {
  function challengesOf (thrown: unknown, needed: readonly string[], hasCredentials: boolean) {
    const error = refusalOf(thrown)
    if (error === null) return []
    const { scopes } = thrown as { scopes?: unknown }
    const { metadataUrl } = urls()
    // RFC 6750 §3.1: a client without credentials gets no error code.
    const bare = error.kind === 'missingToken' || (error.statusCode === 401 && !hasCredentials)
    // Some clients find a nonce error only if it is the only challenge.
    const isAboutProof = error.kind === 'invalidDpopProof' || error.kind === 'useDpopNonce'
    return (isAboutProof ? ['DPoP'] : schemes).map(scheme =>
      challenge({
        scheme,
        ...(!bare && { error: error.error, description: error.message }),
        resourceMetadata: metadataUrl,
        scopes: Array.isArray(scopes) ? scopes.map(String) : needed,
        ...(scheme === 'DPoP' && { algorithms: signatureAlgorithms })
      })
    )
  }

  /**
   * Runs a check. If it throws, the reply gets the headers of the refusal, and the error continues.
   * An error handler of the host drops the headers of errors, but not those of the reply.
   *
   * @param needed all scopes that the request needs
   */
  return async (
    request: FastifyRequest,
    reply: FastifyReply,
    needed: readonly string[],
    check: () => unknown
  ) => {
    try {
      await check()
    } catch (error) {
      const headers = challengesOf(error, needed, request.headers.authorization !== undefined)
      if (headers.length > 0) {
        reply.header('www-authenticate', headers.length === 1 ? headers[0] : headers)
      }
      if (error instanceof McpOAuthError && error.retryAfter !== undefined) {
        reply.header('retry-after', String(error.retryAfter))
      }
      throw error
    }
  }
}

/** Returns the error that a challenge names, or null for errors without a challenge. */
function refusalOf (thrown: unknown): McpOAuthError | null {
  const { statusCode } = Object(thrown)
  const ours = thrown instanceof McpOAuthError ? thrown : null
  if (statusCode === 401) return ours ?? new McpOAuthError('invalidToken')
  if (statusCode === 403) return new McpOAuthError('insufficientScope')
  return ours?.kind === 'invalidRequest' ? ours : null
}
