import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../options/config.ts'
import type { Log, McpAuth, TokenVerifier } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { parseAccessToken, type Scheme } from '../oauth/bearer.ts'
import { challenge } from '../oauth/challenge.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { mergeScopes, missingScopes, scopesOf } from '../oauth/scope.ts'
import type { UrlSource } from '../urls.ts'
import { safeLogger } from '../host/safe-logger.ts'
import type { TokenBinding } from '../dpop/binding.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The caller, once the guard let the request pass; `null` before and where nothing is guarded.
     */
    mcpAuth: McpAuth | null
  }
}

/** What a guarded route needs beyond a good token. */
export interface GuardOptions {
  /**
   * Scopes the caller must have, beside the `requiredScopes` of the registration when guarding the
   * MCP route.
   */
  scopes?: readonly string[]
}

/** A hook that lets a request pass or throws; fits `onRequest` and `preHandler`. */
export type Guard = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/**
 * The checks of one registration: the token and its scopes (which need no body), then the
 * dependencies.
 */
export interface Guards {
  /**
   * Verifies the access token, if anything verifies tokens here, and that it came from whom it is
   * bound to.
   */
  token(scopes: readonly string[]): Guard
  /**
   * Runs the user's dependencies and merges what they return into `request.mcpAuth`. Then the
   * scopes are held against the result: where the dependencies are the only check, theirs are the
   * only scopes there are.
   */
  dependencies(scopes: readonly string[]): Guard
  /** Holds the caller to the scopes one request needs beyond those of the route. */
  operation(request: FastifyRequest, reply: FastifyReply, scopes: readonly string[]): Promise<void>
  /**
   * Whether the token a request was let in with would still be let in, as far as can be found out:
   * a check that fails says nothing against it.
   */
  isStillGood(request: FastifyRequest): Promise<boolean>
  /** Whether a caller has scopes, those included that follow from broader ones. */
  holds(caller: McpAuth | undefined, scopes: readonly string[]): boolean
}

export function createGuards (
  config: Config,
  verify: TokenVerifier | null,
  possession: TokenBinding,
  urls: UrlSource
): Guards {
  const verified = new WeakMap<FastifyRequest, string>()
  const dpop = config.dpop !== 'off'
  const check = async (token: string, request: FastifyRequest, now: number): Promise<McpAuth> => {
    const caller = await verify?.(token, {
      resource: urls().resource,
      now,
      dpop,
      log: safeLogger(request.log as Log)
    }) ?? null
    if (caller === null) throw new McpOAuthError('invalidToken')
    return caller
  }
  return {
    token: (scopes) => async (request, reply) => {
      if (verify === null) return
      await challenging(request, reply, scopes, async () => {
        const { rawHeaders, url = '' } = request.raw
        const found = parseAccessToken(
          request.headers.authorization,
          rawHeaders,
          url.slice(url.indexOf('?') + 1 || url.length),
          possession.schemes
        )
        if (found.none) {
          throw new McpOAuthError('missingToken', {
            cause: notTaken(request.headers.authorization, config.dpop)
          })
        }
        const now = Date.now() / 1000
        const caller = await check(found.token, request, now)
        await possession.verify(caller, found, request, reply, now)
        requireScopes(caller, scopes)
        request.mcpAuth = caller
        verified.set(request, found.token)
      })
    },
    dependencies: (scopes) => async (request, reply) => {
      if (config.dependencies.length === 0) return
      const answered = watchAnswer(reply)
      for (const dependency of config.dependencies) {
        await challenging(request, reply, scopes, async () => {
          const identity = await dependency(request, reply)
          // A predicate that says no must not let anyone pass.
          if (identity === false) {
            throw new McpOAuthError('invalidToken', {
              cause: new Error('a dependency returned false')
            })
          }
          if (isIdentity(identity)) {
            request.mcpAuth = { ...request.mcpAuth ?? anonymous(request), ...identity }
          }
        })
        // Fastify goes on to the route unless the answer has left: wait for it.
        if (answered()) return await reply
      }
      // Passed by dependencies that name no one: the request is authenticated all the same.
      const caller = request.mcpAuth ??= anonymous(request)
      await challenging(request, reply, scopes, async () => requireScopes(caller, scopes))
    },
    async operation (request, reply, needed) {
      const caller = request.mcpAuth
      if (caller === null || needed.length === 0) return
      const all = mergeScopes(config.requiredScopes, needed)
      await challenging(request, reply, all, async () => requireScopes(caller, all))
    },
    async isStillGood (request) {
      const token = verified.get(request)
      if (token === undefined) return true
      const look = check(token, request, Date.now() / 1000).then(caller =>
        requireScopes(caller, config.requiredScopes)
      )
      return await look.then(
        () => true,
        (error: unknown) => !(error instanceof McpOAuthError && error.statusCode < 500)
      )
    },
    // Nobody was asked who they are: nothing is hidden from them.
    holds: (caller, scopes) => caller === undefined || missing(caller, scopes).length === 0
  }

  /**
   * Scopes are read as those of a token are: one string must not pass for the scopes it happens to
   * contain.
   */
  function missing (caller: McpAuth, scopes: readonly string[]): string[] {
    return scopes.length === 0
      ? []
      : missingScopes(scopesOf({ scopes: caller.scopes }), scopes, config.scopeHierarchy)
  }

  function requireScopes (caller: McpAuth, scopes: readonly string[]): void {
    if (missing(caller, scopes).length > 0) throw new McpOAuthError('insufficientScope', { scopes })
  }

  /**
   * Puts the challenge on the reply before the error travels on: a host's own error handler drops
   * the headers of errors, not of replies.
   */
  async function challenging (
    request: FastifyRequest,
    reply: FastifyReply,
    scopes: readonly string[],
    check: () => Promise<void>
  ): Promise<void> {
    try {
      await check()
    } catch (error) {
      const headers = challengesOf(error, scopes, request.headers.authorization !== undefined)
      if (headers.length > 0) {
        reply.header('www-authenticate', headers.length === 1 ? headers[0] : headers)
      }
      if (error instanceof McpOAuthError && error.retryAfter !== undefined) {
        reply.header('retry-after', String(error.retryAfter))
      }
      throw error
    }
  }

  /**
   * RFC 6750 §3.1: no error name for callers who sent no credentials; everyone else learns what was
   * wrong with theirs. One line for each scheme.
   */
  function challengesOf (
    thrown: unknown,
    needed: readonly string[],
    credentials: boolean
  ): string[] {
    const { statusCode, scopes } = Object(thrown) as { statusCode?: unknown, scopes?: unknown }
    const ours = thrown instanceof McpOAuthError ? thrown : null
    const error = statusCode === 401
      ? ours ?? new McpOAuthError('invalidToken')
      : statusCode === 403
      ? new McpOAuthError('insufficientScope')
      : ours?.kind === 'invalidRequest'
      ? ours
      : null
    if (error === null) return []
    const { metadataUrl } = urls()
    const bare = error.kind === 'missingToken' || (statusCode === 401 && !credentials)
    return schemesFor(error).map(scheme =>
      challenge({
        scheme,
        ...(!bare && { error: error.error, description: error.message }),
        ...(metadataUrl !== null && { resourceMetadata: metadataUrl }),
        scopes: Array.isArray(scopes) ? scopes.map(String) : needed,
        ...(scheme === 'DPoP' && { algorithms: signatureAlgorithms })
      })
    )
  }

  /**
   * Whoever sent a proof is told of it alone: there are clients that find a nonce error only where
   * it is the one challenge.
   */
  function schemesFor ({ kind }: McpOAuthError): readonly Scheme[] {
    return kind === 'invalidDpopProof' || kind === 'useDpopNonce' ? ['DPoP'] : possession.schemes
  }
}

/** Why a token in the header is none for us; nothing, if there is none. */
function notTaken (authorization: string | undefined, dpop: Config['dpop']): Error | undefined {
  const [, scheme] = /^(bearer|dpop) /i.exec(authorization ?? '') ?? []
  return scheme === undefined
    ? undefined
    : new Error(`a token came as ${scheme}, which the option dpop ('${dpop}') does not take`)
}

/** What `instance.requireMcpAuth(options)` returns for one registration. */
export function guardFor (
  guards: Guards,
  { scopes = [] }: GuardOptions,
  required: readonly string[]
): Guard {
  const needed = mergeScopes(required, scopes)
  const token = guards.token(needed)
  const dependencies = guards.dependencies(needed)
  return async (request, reply) => {
    await token(request, reply)
    await dependencies(request, reply)
  }
}

/**
 * Tells whether a dependency has answered by itself. `reply.sent` comes true only after the
 * `onSend` hooks of the host, and who forgot to return the reply would be refused and have the tool
 * run all the same.
 */
function watchAnswer (reply: FastifyReply): () => boolean {
  const { send } = reply
  let answered = false
  reply.send = (payload) => {
    answered = true
    return send.call(reply, payload)
  }
  return () => answered || reply.sent
}

function isIdentity (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function anonymous (request: FastifyRequest): McpAuth {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  return { token, clientId: '', scopes: [] }
}
