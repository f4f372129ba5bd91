/** Which URLs does a registration publish? */
import type { Server } from 'node:net'
import { protectedResourceDocument } from './oauth/metadata.ts'
import { insertWellKnown } from './oauth/well-known.ts'
import type { Config } from './options/config.ts'

/**
 * The URLs of one registration, as clients see them. They are built from configuration alone: no
 * header of a request can change them.
 */
export interface Urls {
  /** URL of the app: the URL of a request is this and the path that reached us. */
  readonly publicUrl: string
  /** `publicUrl` and prefix: our issuer in front of a provider, and the base of our endpoints. */
  readonly base: string
  /** The MCP route's URL (RFC 8707 §2). */
  readonly resource: string
  /** Issuers whose tokens are accepted; empty if none is known. */
  readonly authorizationServers: readonly string[]
  /** URL of the protected resource metadata (RFC 9728); null without an authorization server. */
  readonly metadataUrl: string | null
  /** The protected resource metadata. */
  readonly resourceDocument: string | null
}

/** Returns the URLs. Call it at each use: without `publicUrl` the port is unknown at first. */
export type UrlSource = () => Urls

/**
 * Creates the source of the URLs of a registration.
 *
 * @param server gives the port if there is no `publicUrl`
 */
export function createUrls (config: Config, server: Server): UrlSource {
  if (config.publicUrl !== null) {
    const urls = urlsAt(config, config.publicUrl)
    return () => urls
  }
  let urls = urlsAt(config, 'http://localhost')
  let isFinal = false
  return () => {
    const port = isFinal ? null : portOf(server)
    if (port !== null) {
      isFinal = true
      urls = urlsAt(config, `http://localhost:${port}`)
    }
    return urls
  }
}

function urlsAt (config: Config, publicUrl: string): Urls {
  const base = publicUrl + config.prefix
  const resource = base + config.mcp.path
  const authorizationServers = authorizationServersOf(config, base)
  const metadataUrl = authorizationServers.length > 0
    ? insertWellKnown('oauth-protected-resource', resource)
    : null
  const metadata = protectedResourceDocument({
    resource,
    authorizationServers,
    scopes: config.requiredScopes,
    ...(config.dpop !== 'off' && { dpop: config.dpop })
  })
  return Object.freeze({
    publicUrl,
    base,
    resource,
    authorizationServers,
    metadataUrl,
    resourceDocument: metadataUrl && JSON.stringify(metadata)
  })
}

/** Includes the issuers of the user's verifiers, as their tokens are accepted (RFC 9728 §7.6). */
function authorizationServersOf (config: Config, base: string): readonly string[] {
  const others = typeof config.tokens === 'string'
    ? []
    : config.tokens.flatMap(({ issuer }) => issuer ?? [])
  return [...new Set([...ownServersOf(config, base), ...others])]
}

function ownServersOf (config: Config, base: string): readonly string[] {
  switch (config.mode) {
    case 'broker':
    case 'thin':
      return [base]
    case 'metadata':
      return config.document ? [config.document.issuer] : []
    case 'resource':
      return config.provider ? [config.provider.issuer] : []
    default:
      return []
  }
}

function portOf (server: Server): number | null {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : null
}
