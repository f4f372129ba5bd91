/** Under which URLs do clients find the metadata of an MCP server? */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError, startupError } from '../errors.ts'
import { corsHeaders, isolatedRoute, replyToOtherMethods } from '../host/isolate.ts'
import { safeLogger } from '../host/replies.ts'
import { createSender } from '../host/representation.ts'
import { checkedBy, checkOnListen } from '../host/self-check.ts'
import {
  authorizationServerUrls,
  insertWellKnown,
  wellKnownNames,
  type WellKnownName
} from '../oauth/well-known.ts'
import type { Config } from '../options/config.ts'
import type { UrlSource } from '../urls.ts'

/** Returns the text of a document, or throws the error to respond with. */
type Document = () => string | Promise<string>

/** The documents of one URL. The bare one is served only while the app has one registration. */
interface Slot {
  exact?: Document
  bare?: Document
}

const kSlots = Symbol('fastify-mcp-oauth.well-known')

/**
 * Serves the protected resource metadata (RFC 9728) and, where we have an authorization server to
 * describe, its metadata under the names of RFC 8414 and OpenID Connect. Where a reverse proxy
 * strips a path, all documents are served with and without that path.
 *
 * @throws {McpOAuthError} `duplicateRegistration` if another registration has a document there
 */
export function discoveryRoutes (
  root: FastifyInstance,
  { prefix, publicUrl, metadataPath, mcp }: Config,
  urls: UrlSource,
  authorizationServer: Document | null
) {
  const slotAt = slotsOf(root, urls)
  const stripped = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
  const prefixes = [...new Set([prefix, stripped + prefix])]

  /** Also serves the document at URLs without a path, as long as the app has one registration. */
  function serve (paths: string[], document: Document, bareNames: WellKnownName[]) {
    for (const path of new Set(paths)) {
      const slot = slotAt(path)
      if (slot.exact) {
        throw startupError(
          'duplicateRegistration',
          `prefix: ${path} has the document of another registration. Give each its own prefix`
        )
      }
      slot.exact = document
    }
    for (const name of bareNames) slotAt(insertWellKnown(name, '')).bare ??= document
  }

  if (urls().metadataUrl !== null) {
    const paths = prefixes.map(each => insertWellKnown('oauth-protected-resource', each + mcp.path))
    serve(paths, () => urls().resourceDocument as string, ['oauth-protected-resource'])
  }
  if (authorizationServer !== null) {
    const custom = metadataPath.startsWith('/.well-known/')
      ? metadataPath + prefix
      : prefix + metadataPath
    const paths = [custom, ...prefixes.flatMap(authorizationServerUrls)]
    serve(paths, authorizationServer, ['oauth-authorization-server', 'openid-configuration'])
  }
}

/** The slots of an app, shared by its registrations. Unknown URLs beside them respond 404. */
function slotsOf (root: FastifyInstance, urls: UrlSource): (path: string) => Slot {
  if (!root.hasDecorator(kSlots)) {
    root.decorate(kSlots, new Map())
    // In JSON, even where the app serves a page for unknown paths (M-01).
    for (const name of wellKnownNames) {
      const url = `${insertWellKnown(name, '')}/*`
      const isAdded = addRoutes(root, url, notFound)
      if (!isAdded || name !== 'oauth-protected-resource') continue
      checkOnListen(root, [{ method: 'GET', url, type: 'application/json' }], urls)
    }
  }
  const slots = root.getDecorator<Map<string, Slot>>(kSlots)
  return path => {
    const known = slots.get(path)
    if (known) return known
    const slot: Slot = {}
    slots.set(path, slot)
    const isAdded = addRoutes(root, path, () => {
      const bare = root.mcpOAuthRegistry.size === 1 ? slot.bare : undefined
      return (slot.exact ?? bare ?? notFound)()
    })
    if (!isAdded) {
      safeLogger(root.log).warn({ path }, 'The app serves this discovery document itself')
    }
    return slot
  }
}

function fail (reply: FastifyReply, error: unknown) {
  reply.headers(corsHeaders).send(error)
}

function notFound (): never {
  throw new McpOAuthError('notFound')
}

/** @returns false where the app has a route of its own, which is left as it is */
function addRoutes (root: FastifyInstance, url: string, document: Document) {
  if (root.hasRoute({ method: 'GET', url })) return false
  const send = createSender({
    ...corsHeaders,
    'x-content-type-options': 'nosniff',
    'cache-control': 'public, max-age=300',
    'content-type': 'application/json; charset=utf-8'
  })
  // Not an async function, as most documents are at hand.
  const handler = (request: FastifyRequest, reply: FastifyReply) => {
    try {
      const text = document()
      if (typeof text === 'string') send(text, request, reply)
      else text.then(text => send(text, request, reply)).catch(error => fail(reply, error))
    } catch (error) {
      fail(reply, error)
    }
  }
  root.route({
    ...isolatedRoute,
    method: ['GET', 'HEAD'],
    url,
    // Documents are requested often, and a check costs time.
    ...(document === notFound ? checkedBy(root, 'application/json', handler) : { handler })
  })
  replyToOtherMethods(root, url, ['GET', 'HEAD'])
  return true
}
