import type { FastifyInstance } from 'fastify'
import type { Config } from '../options/config.ts'
import { authorizationServerPaths, protectedResourcePath } from '../oauth/well-known.ts'
import type { UrlSource } from '../urls.ts'
import { wellKnownOf, type Document } from './well-known.ts'

/**
 * The documents clients look for: protected resource metadata (RFC 9728) and, where we have an
 * authorization server to describe, its metadata under the names of RFC 8414 and OpenID Connect.
 * Below a path that a reverse proxy strips they are served with it and without.
 */
export function discoveryRoutes (
  root: FastifyInstance,
  config: Config,
  urls: UrlSource,
  authorizationServer: Document | null
): void {
  const wellKnown = wellKnownOf(root)
  const stripped = config.publicUrl === null
    ? ''
    : new URL(config.publicUrl).pathname.replace(/\/$/, '')
  const prefixes = [...new Set([config.prefix, stripped + config.prefix])]

  if (urls().metadataUrl !== null) {
    const document = () => urls().resourceDocument as string
    for (const prefix of prefixes) {
      wellKnown.serve(protectedResourcePath(prefix + config.mcp.path), document)
    }
    wellKnown.serveBare('oauth-protected-resource', document)
  }
  if (authorizationServer === null) return
  const custom = config.metadataPath.startsWith('/.well-known/')
    ? config.metadataPath + config.prefix
    : config.prefix + config.metadataPath
  for (const path of new Set([custom, ...prefixes.flatMap(authorizationServerPaths)])) {
    wellKnown.serve(path, authorizationServer)
  }
  for (const name of ['oauth-authorization-server', 'openid-configuration'] as const) {
    wellKnown.serveBare(name, authorizationServer)
  }
}
