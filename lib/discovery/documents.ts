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

/** How a document is sent. */
export interface Representation {
  type: string
  headers: Record<string, string>
  /** Whether the app checks at its start that hooks of the host do not change it. */
  isChecked?: boolean
}

const metadata: Representation = {
  type: 'application/json',
  headers: { ...corsHeaders, 'cache-control': 'public, max-age=300' }
}

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
  config: Config,
  urls: UrlSource,
  authorizationServer: Document | null
) {
  const { prefix, metadataPath, mcp } = config
  const slotAt = slotsOf(root, urls)
  const prefixes = pathsOf(config)
  const serve = (paths: string[], document: Document, bareNames: WellKnownName[]) =>
    publish(slotAt, paths, document, bareNames.map(name => insertWellKnown(name, '')))

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

/** Returns the prefix of a registration, also after the path that a reverse proxy may strip. */
export function pathsOf ({ prefix, publicUrl }: Config) {
  const stripped = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
  return [...new Set([prefix, stripped + prefix])]
}

/**
 * Serves a document.
 *
 * @param bare URLs at which it is served as long as the app has one registration
 */
export function publish (
  slotAt: ReturnType<typeof slotsOf>,
  paths: string[],
  document: Document,
  bare: string[],
  representation?: Representation
) {
  for (const path of new Set(paths)) {
    const slot = slotAt(path, representation)
    if (slot.exact) {
      throw startupError(
        'duplicateRegistration',
        `prefix: ${path} has the document of another registration. Give each its own prefix`
      )
    }
    slot.exact = document
  }
  for (const path of bare) slotAt(path, representation).bare ??= document
}

/** The slots of an app, shared by its registrations. Unknown URLs beside them respond 404. */
export function slotsOf (root: FastifyInstance, urls: UrlSource) {
  if (!root.hasDecorator(kSlots)) {
    root.decorate(kSlots, new Map())
    // In JSON, even where the app serves a page for unknown paths (M-01).
    for (const name of wellKnownNames) {
      const url = `${insertWellKnown(name, '')}/*`
      const isAdded = addRoutes(root, url, notFound, { ...metadata, isChecked: true })
      if (!isAdded || name !== 'oauth-protected-resource') continue
      checkOnListen(root, [{ method: 'GET', url, type: 'application/json' }], urls)
    }
  }
  const slots = root.getDecorator<Map<string, Slot>>(kSlots)
  return (path: string, representation = metadata): Slot => {
    const known = slots.get(path)
    if (known) return known
    const slot: Slot = {}
    slots.set(path, slot)
    const document = () => {
      const bare = root.mcpOAuthRegistry.size === 1 ? slot.bare : undefined
      return (slot.exact ?? bare ?? notFound)()
    }
    const isAdded = addRoutes(root, path, document, representation)
    const { type, isChecked } = representation
    if (isAdded && isChecked) checkOnListen(root, [{ method: 'GET', url: path, type }], urls)
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
function addRoutes (
  root: FastifyInstance,
  url: string,
  document: Document,
  { type, headers, isChecked }: Representation
) {
  if (root.hasRoute({ method: 'GET', url })) return false
  const send = createSender({
    ...headers,
    'x-content-type-options': 'nosniff',
    'content-type': `${type}; charset=utf-8`
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
    ...(isChecked ? checkedBy(root, type, handler) : { handler })
  })
  replyToOtherMethods(root, url, ['GET', 'HEAD'])
  return true
}
