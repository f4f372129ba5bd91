import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Log } from '../types.ts'
import { McpOAuthError, startupError } from '../errors.ts'
import { insertWellKnown, type WellKnownName } from '../oauth/well-known.ts'
import { safeLogger } from '../host/safe-logger.ts'
import {
  corsHeaders,
  replyToPreflight,
  rejectOtherMethods,
  isolatedRoute
} from '../host/isolate.ts'

/** Gives the bytes of a document, or throws what is to be answered instead. */
export type Document = () => string | Promise<string>

/**
 * One URL below the root. A bare form (without the path of a resource or issuer) speaks for a
 * registration only while it is the only one.
 */
interface Slot {
  exact?: Document
  bare?: Document
}

/** The discovery documents of one app: exact routes on the root instance, and 404 beside them. */
export interface WellKnown {
  /** Serves a document at its own URL. */
  serve(path: string, document: Document): void
  /** Serves a document at a URL without a path, as long as the app has one registration. */
  serveBare(name: WellKnownName, document: Document): void
}

const names: readonly WellKnownName[] = [
  'oauth-protected-resource',
  'oauth-authorization-server',
  'openid-configuration'
]
const slots = Symbol('fastify-mcp-oauth.well-known')

export function wellKnownOf (root: FastifyInstance): WellKnown {
  const table = tableOf(root)
  return {
    serve (path, document) {
      const slot = slotAt(root, table, path)
      if (slot.exact) {
        throw startupError(
          'duplicate',
          `${path} already has the document of another registration. Give each its own prefix`
        )
      }
      slot.exact = document
    },
    serveBare: (name, document) => {
      slotAt(root, table, insertWellKnown(name, '')).bare ??= document
    }
  }
}

function tableOf (root: FastifyInstance & { [slots]?: Map<string, Slot> }): Map<string, Slot> {
  if (root[slots]) return root[slots]
  root[slots] = new Map()
  // Anything else below these names is nobody's document, also where the app answers unknown paths
  // with a page (M-01).
  for (const name of names) {
    const url = `${insertWellKnown(name, '')}/*`
    if (!root.hasRoute({ method: 'GET', url })) {
      addRoutes(root, url, () => {
        throw new McpOAuthError('notFound')
      })
    }
  }
  return root[slots]
}

function slotAt (root: FastifyInstance, table: Map<string, Slot>, path: string): Slot {
  const known = table.get(path)
  if (known) return known
  const slot: Slot = {}
  table.set(path, slot)
  if (root.hasRoute({ method: 'GET', url: path })) {
    safeLogger(root.log as Log).warn(
      { path },
      'the app serves this discovery document itself; ours is left out'
    )
    return slot
  }
  addRoutes(root, path, () => {
    const document = slot.exact ?? (root.mcpOAuthRegistry.size === 1 ? slot.bare : undefined)
    if (document === undefined) throw new McpOAuthError('notFound')
    return document()
  })
  return slot
}

function addRoutes (root: FastifyInstance, url: string, document: Document): void {
  root.route({
    ...isolatedRoute,
    method: ['GET', 'HEAD'],
    url,
    handler: (_request, reply) => answer(document, reply)
  })
  replyToPreflight(root, url, ['GET', 'HEAD'])
  rejectOtherMethods(root, url, ['GET', 'HEAD'])
}

async function answer (document: Document, reply: FastifyReply): Promise<FastifyReply> {
  // no-store until there is a document: nobody shall remember a fault.
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
