/** Under which URLs do clients find the metadata of an MCP server? */
import type { FastifyInstance } from 'fastify'
import type { Config } from '../options/config.ts'
import { authorizationServerUrls, insertWellKnown } from '../oauth/well-known.ts'
import type { UrlSource } from '../urls.ts'
import { wellKnownOf, type Document } from './well-known.ts'

/**
 * Serves the protected resource metadata (RFC 9728) and, where we have an authorization server to
 * describe, its metadata under the names of RFC 8414 and OpenID Connect. Where a reverse proxy
 * strips a path, all documents are served with and without that path.
 */
export function discoveryRoutes (
  root: FastifyInstance,
  { prefix, publicUrl, metadataPath, mcp }: Config,
  urls: UrlSource,
  authorizationServer: Document | null
): void {
  const wellKnown = wellKnownOf(root)
  const stripped = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
  const prefixes = [...new Set([prefix, stripped + prefix])]

  if (urls().metadataUrl !== null) {
    const document = () => urls().resourceDocument as string
    for (const each of prefixes) {
      wellKnown.serve(insertWellKnown('oauth-protected-resource', each + mcp.path), document)
    }
    wellKnown.serveBare('oauth-protected-resource', document)
  }
  if (authorizationServer === null) return
  const custom = metadataPath.startsWith('/.well-known/')
    ? metadataPath + prefix
    : prefix + metadataPath
  for (const path of new Set([custom, ...prefixes.flatMap(authorizationServerUrls)])) {
    wellKnown.serve(path, authorizationServer)
  }
  wellKnown.serveBare('oauth-authorization-server', authorizationServer)
  wellKnown.serveBare('openid-configuration', authorizationServer)
}
