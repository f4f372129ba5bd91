/** How does an app serve discovery documents below `/.well-known/`? */
import type { FastifyInstance } from 'fastify'
import type { Log } from '../types.ts'
import { McpOAuthError, startupError } from '../errors.ts'
import { corsHeaders, replyToPreflight } from '../host/cors.ts'
import { isolatedRoute, rejectOtherMethods } from '../host/isolate.ts'
import { safeLogger } from '../host/safe-logger.ts'
import { insertWellKnown, type WellKnownName } from '../oauth/well-known.ts'

/** Returns the text of a document, or throws the error to respond with. */
export type Document = () => string | Promise<string>

/** The documents of one URL. The bare one is served only while the app has one registration. */
interface Slot {
  exact?: Document
  bare?: Document
}

/** The discovery documents of one app. */
export interface WellKnown {
  /**
   * Serves a document at its own URL.
   *
   * @throws {McpOAuthError} `duplicate` if another registration has a document there
   */
  serve(path: string, document: Document): void
  /** Serves a document at a URL without a path, as long as the app has one registration. */
  serveBare(name: WellKnownName, document: Document): void
}

const names: readonly WellKnownName[] = [
  'oauth-protected-resource',
  'oauth-authorization-server',
  'openid-configuration'
]
const methods = ['GET', 'HEAD'] as const
const kSlots = Symbol('fastify-mcp-oauth.well-known')

/** The documents of an app, shared by its registrations. Unknown URLs beside them respond 404. */
export function wellKnownOf (root: FastifyInstance): WellKnown {
  if (!root.hasDecorator(kSlots)) {
    root.decorate(kSlots, new Map())
    // In JSON, even where the app serves a page for unknown paths (M-01).
    for (const name of names) addRoutes(root, `${insertWellKnown(name, '')}/*`, notFound)
  }
  const slots = root.getDecorator<Map<string, Slot>>(kSlots)

  function slotAt (path: string): Slot {
    const known = slots.get(path)
    if (known) return known
    const slot: Slot = {}
    slots.set(path, slot)
    const isAdded = addRoutes(root, path, () => {
      const bare = root.mcpOAuthRegistry.size === 1 ? slot.bare : undefined
      return (slot.exact ?? bare ?? notFound)()
    })
    if (!isAdded) {
      safeLogger(root.log as Log).warn({ path }, 'The app serves this discovery document itself')
    }
    return slot
  }

  return {
    serve (path, document) {
      const slot = slotAt(path)
      if (slot.exact) {
        throw startupError(
          'duplicateRegistration',
          `prefix: ${path} has the document of another registration. Give each its own prefix`
        )
      }
      slot.exact = document
    },
    serveBare (name, document) {
      slotAt(insertWellKnown(name, '')).bare ??= document
    }
  }
}

function notFound (): never {
  throw new McpOAuthError('notFound')
}

/** @returns false where the app has a route of its own, which is left as it is */
function addRoutes (root: FastifyInstance, url: string, document: Document): boolean {
  if (root.hasRoute({ method: 'GET', url })) return false
  root.route({
    ...isolatedRoute,
    method: [...methods],
    url,
    handler: async (_request, reply) => {
      // An error must not be cached.
      reply.headers({
        ...corsHeaders,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store'
      })
      const body = await document()
      return reply.headers({
        'cache-control': 'public, max-age=300',
        'content-type': 'application/json; charset=utf-8'
      }).send(body)
    }
  })
  replyToPreflight(root, url, methods)
  rejectOtherMethods(root, url, methods)
  return true
}
