/** Which members do events have about the caller of a request, and about its refusal? */
import type { FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import type { EventContext, EventDetails, EventType } from '../events/table.ts'
import type { Events } from '../host/events.ts'
import { classify } from '../host/replies.ts'
import { reasonOf } from '../http/condition.ts'
import { heldScopes, missingScopes } from '../oauth/scope.ts'
import type { Config } from '../options/config.ts'
import type { McpAuth } from '../types.ts'
import { isEnding, parseCompact } from '../verifiers/claims.ts'
import { createInvalidTokenCount } from './invalid-tokens.ts'

/** The events that requests with access tokens cause. */
export type CallerEvents = ReturnType<typeof createCallerEvents>

type CallerEvent = Extract<EventType, 'request.denied' | 'scopes.requested' | 'tool.called'>

/**
 * Creates the events of callers. All of it runs only for subscribers.
 *
 * @param own the issuer of our own tokens and the names of their clients, null without a broker
 */
export function createCallerEvents (
  { scopeHierarchy }: Pick<Config, 'scopeHierarchy'>,
  events: Events,
  own: { issuer: () => string, nameOf: (clientId: string) => Promise<string | null> } | null
) {
  async function contextOf ({ clientId, subject, token }: McpAuth) {
    const context: Pick<EventContext, 'subject' | 'client' | 'grant'> = {}
    if (typeof subject === 'string') Object.assign(context, { subject })
    if (typeof clientId === 'string' && clientId !== '') {
      // A store or a document that fails leaves the name out.
      const name = await own?.nameOf(clientId).catch(() => null) ?? null
      Object.assign(context, { client: { id: clientId, name } })
    }
    // The verifier has checked the token, and kept the grant from the host.
    const { iss, gid: grant } = parseCompact(String(token))?.claims ?? {}
    return iss === own?.issuer() && typeof grant === 'string' ? { ...context, grant } : context
  }

  const countInvalidToken = createInvalidTokenCount(events)
  const callerEvents = {
    isWatched: events.isWatched,

    /** Returns how a request tells of its caller. Keep it from the start: the address may go. */
    of (request: FastifyRequest) {
      const report = events.of(request)
      return async <Type extends CallerEvent>(
        type: Type,
        caller: McpAuth | null,
        details: EventDetails[Type] & Pick<EventContext, 'scopes'>
      ) => {
        const context = caller && await contextOf(caller).catch(() => null)
        report(type, { ...details, ...context })
      }
    },

    /**
     * Tells of a refusal, if anybody listens, and counts invalid tokens.
     *
     * @param needed the scopes of the guard
     */
    refused (
      thrown: unknown,
      request: FastifyRequest,
      caller: McpAuth | null,
      needed: readonly string[]
    ) {
      const error = thrown instanceof McpOAuthError ? thrown : null
      if (error?.kind === 'invalidToken' && !isEnding(error)) countInvalidToken(request)
      const missing = caller && error?.kind === 'insufficientScope'
        ? missingScopes(heldScopes(caller), needed, scopeHierarchy)
        : []
      if (missing.length > 0) {
        if (!events.isWatched('scopes.requested')) return
        callerEvents.of(request)('scopes.requested', caller, { missing, scopes: needed })
      } else if (events.isWatched('request.denied')) {
        const refusal = classify(Object(thrown), request)
        callerEvents.of(request)('request.denied', caller, {
          status: refusal.statusCode,
          error: refusal.error,
          reason: reasonOf(refusal),
          scopes: needed
        })
      }
    }
  }
  return callerEvents
}
