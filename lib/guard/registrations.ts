/** Which registrations does an app have? */
import type { FastifyInstance } from 'fastify'
import type { Config } from '../options/config.ts'
import { startupError } from '../errors.ts'
import type { UrlSource } from '../urls.ts'

/** One registration of the plugin, as returned by `instance.mcpOAuth`. */
export interface McpOAuthRegistration {
  /** Prefix of the registration: `''` at the root. */
  readonly prefix: string
  /** The URL of the MCP route, which is the audience of access tokens. */
  readonly resource: string
  /** Issuer of the authorization server that clients are sent to, null if there is none. */
  readonly issuer: string | null
  /** URL of the protected resource metadata, null if it is not served. */
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
 * Adds a registration to the root of the app.
 *
 * @throws {McpOAuthError} `duplicate` if another registration or route has one of its URLs: clients
 *   cannot distinguish the two
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
      'duplicateRegistration',
      `${resource} is already protected by another registration. ` +
        'Give each registration its own prefix or mcp.path'
    )
  }
  if (
    (mode === 'thin' || mode === 'broker') &&
    root.hasRoute({ method: 'GET', url: `${prefix}/oauth/authorize` })
  ) {
    throw startupError(
      'duplicateRegistration',
      `${prefix}/oauth/authorize already exists, from another registration or as a route of the ` +
        'app. Give this registration its own prefix'
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
