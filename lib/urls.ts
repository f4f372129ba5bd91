/** Which URLs does a registration publish? */
import type { Server } from 'node:net'
import { protectedResourceDocument } from './oauth/metadata.ts'
import { insertWellKnown } from './oauth/well-known.ts'
import type { Config } from './options/config.ts'

/** Returns the URLs. Call it at each use: without `publicUrl` the port is unknown at first. */
export type UrlSource = ReturnType<typeof createUrls>

/**
 * Creates the source of the URLs of a registration, as clients see them. They are built from
 * configuration alone: no header of a request can change them.
 *
 * @param server gives the port if there is no `publicUrl`
 */
export function createUrls (config: Config, server: Server) {
  let urls = urlsAt(config, config.publicUrl ?? 'http://localhost')
  let isFinal = config.publicUrl !== null
  return () => {
    const address = isFinal ? null : server.address()
    if (typeof address === 'object' && address !== null) {
      isFinal = true
      urls = urlsAt(config, `http://localhost:${address.port}`)
    }
    return urls
  }
}

function urlsAt (config: Config, publicUrl: string) {
  const base = publicUrl + config.prefix
  const resource = base + config.mcp.path
  const authorizationServers = authorizationServersOf(config, base)
  const metadataUrl = authorizationServers.length > 0
    ? insertWellKnown('oauth-protected-resource', resource)
    : null
  const { requiredScopes, dpop } = config
  const metadata = protectedResourceDocument(resource, authorizationServers, requiredScopes, dpop)
  return Object.freeze({
    /** URL of the app: the URL of a request is this and the path that reached us. */
    publicUrl,
    /** `publicUrl` and prefix: our issuer in front of a provider, and the base of our endpoints. */
    base,
    /** The MCP route's URL (RFC 8707 §2). */
    resource,
    /** Issuers whose tokens are accepted; empty if none is known. */
    authorizationServers,
    /** URL of the protected resource metadata (RFC 9728); null without an authorization server. */
    metadataUrl,
    /** The protected resource metadata. */
    resourceDocument: metadataUrl && JSON.stringify(metadata)
  })
}

/** Includes the issuers of the user's verifiers, as their tokens are accepted (RFC 9728 §7.6). */
function authorizationServersOf (
  { document, mode, provider, tokens }: Config,
  base: string
) {
  const own: Partial<Record<Config['mode'], string | undefined>> = {
    broker: base,
    thin: base,
    metadata: document?.issuer,
    resource: provider?.issuer
  }
  const others = typeof tokens === 'string' ? [] : tokens.map(({ issuer }) => issuer)
  return [...new Set([own[mode], ...others])].filter(issuer => issuer !== undefined)
}
