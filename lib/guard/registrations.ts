import type { FastifyInstance } from 'fastify'
import type { Config } from '../options/config.ts'
import { startupError } from '../errors.ts'
import type { UrlSource } from '../urls.ts'

/** One registration of the plugin, as `instance.mcpOAuth` shows it. */
export interface McpOAuthRegistration {
  /** Prefix of the registration: `''` at the root. */
  readonly prefix: string
  /** The URL of the MCP route, which is the audience of access tokens. */
  readonly resource: string
  /** The issuer of the authorization server clients are sent to, null where none is known. */
  readonly issuer: string | null
  /** URL of the protected resource metadata, null where there is none. */
  readonly metadataUrl: string | null
}

/** All registrations of one app, by prefix and path of the MCP route. */
export type Registry = ReadonlyMap<string, McpOAuthRegistration>

declare module 'fastify' {
  interface FastifyInstance {
    /** All registrations of the app, by the path of their MCP route. */
    mcpOAuthRegistry: Registry
  }
}

/**
 * Finds the instance the app started from: the discovery documents belong at the root of the host,
 * whatever prefix we are registered under.
 */
export function findRoot (
  instance: FastifyInstance,
  given: FastifyInstance | undefined
): FastifyInstance {
  if (given) return given
  let root = instance
  // A child is made with Object.create(parent): every ancestor that still has Fastify's methods is
  // an instance.
  for (
    let parent = Object.getPrototypeOf(root);
    typeof parent?.register === 'function';
    parent = Object.getPrototypeOf(root)
  ) root = parent
  if (root.prefix !== '') {
    throw startupError(
      'rootNotFound',
      'root: the topmost instance found has a prefix. Give the instance that was made with fastify() as the option root'
    )
  }
  return root
}

/**
 * Notes a registration on the root. Two of one MCP route cannot be told apart by clients: that is
 * refused.
 */
export function addRegistration (
  root: FastifyInstance,
  { prefix, mcp, mode }: Config,
  urls: UrlSource
): McpOAuthRegistration {
  const path = prefix + mcp.path
  if (!Object.hasOwn(root, 'mcpOAuthRegistry')) root.decorate('mcpOAuthRegistry', new Map())
  const registry = root.mcpOAuthRegistry as Map<string, McpOAuthRegistration>
  const { resource } = urls()
  if (registry.has(path) || [...registry.values()].some(other => other.resource === resource)) {
    throw startupError(
      'duplicate',
      `${resource} is already protected by another registration. Give each its own prefix, or its own mcp.path`
    )
  }
  if (
    (mode === 'thin' || mode === 'broker') &&
    root.hasRoute({ method: 'GET', url: `${prefix}/oauth/authorize` })
  ) {
    throw startupError(
      'duplicate',
      `${prefix}/oauth/authorize exists already, from another registration or as a route of the app. Give this registration its own prefix`
    )
  }
  const registration: McpOAuthRegistration = Object.freeze({
    prefix,
    get resource () {
      return urls().resource
    },
    get issuer () {
      return urls().authorizationServers[0] ?? null
    },
    get metadataUrl () {
      return urls().metadataUrl
    }
  })
  registry.set(path, registration)
  return registration
}
