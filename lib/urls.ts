import type { AddressInfo, Server } from 'node:net'
import type { Config } from './options/config.ts'
import { startupError } from './errors.ts'
import { protectedResourceDocument } from './oauth/metadata.ts'
import { isLoopbackHost } from './oauth/url.ts'
import { insertWellKnown } from './oauth/well-known.ts'

/**
 * Where one registration lives, as clients see it. Built from configuration alone: nothing in a
 * request can change a byte of it.
 */
export interface Urls {
  /**
   * Where clients reach the app: a request's URL, as they see it, is this and the path that reached
   * us.
   */
  readonly publicUrl: string
  /** `publicUrl` and prefix: our issuer in proxy mode, and the base of our endpoints. */
  readonly base: string
  /** The MCP route's URL (RFC 8707 §2). */
  readonly resource: string
  /** Issuers whose tokens open the resource; empty when none is known. */
  readonly authorizationServers: readonly string[]
  /**
   * URL of the protected resource metadata (RFC 9728), null without an authorization server to
   * name.
   */
  readonly metadataUrl: string | null
  /** The protected resource metadata. */
  readonly resourceDocument: string | null
}

/**
 * Gives the site. Asked at each use, because without `publicUrl` the port is known only once the
 * app listens.
 */
export type UrlSource = () => Urls

export function createUrls (config: Config, server: Server): UrlSource {
  if (config.publicUrl !== null) {
    const urls = siteAt(config, config.publicUrl)
    return () => urls
  }
  let urls = siteAt(config, 'http://localhost')
  let listening = false
  return () => {
    if (!listening) {
      const port = portOf(server)
      if (port === null) return urls
      listening = true
      urls = siteAt(config, `http://localhost:${port}`)
    }
    return urls
  }
}

function siteAt (config: Config, publicUrl: string): Urls {
  const base = publicUrl + config.prefix
  const resource = base + config.mcp.path
  const authorizationServers = authorizationServersOf(config, base)
  const metadataUrl = authorizationServers.length > 0
    ? insertWellKnown('oauth-protected-resource', resource)
    : null
  const parts = {
    resource,
    authorizationServers,
    scopes: config.requiredScopes,
    ...(config.dpop !== 'off' && { dpop: config.dpop })
  }
  return Object.freeze({
    publicUrl,
    base,
    resource,
    authorizationServers,
    metadataUrl,
    resourceDocument: metadataUrl && JSON.stringify(protectedResourceDocument(parts))
  })
}

/**
 * Those of the user's verifiers too: whoever has a token of theirs is let in, and clients choose
 * (RFC 9728 §7.6).
 */
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

/**
 * Whether only this machine can connect. An app that does not listen (yet) is asked through
 * `inject`: by this machine too.
 */
export function isBoundToLoopback (server: Server): boolean {
  const address = server.address()
  if (address === null) return true
  return typeof address === 'string' || isLoopback(address)
}

function isLoopback ({ address }: AddressInfo): boolean {
  return isLoopbackHost(address.replace(/^::ffff:/, ''))
}

const watched = new WeakSet<Server>()

/**
 * Without `publicUrl` only loopback has an address that is known. Fastify has no hook between bind
 * and `listen()` resolving, but it waits for the server's first `listening` or `error`: answering
 * the one with the other makes `listen()` reject.
 */
export function rejectPublicAddress (server: Server): void {
  // Several registrations share the server, and only its first error has someone to catch it.
  if (watched.has(server)) return
  watched.add(server)
  server.prependListener('listening', () => {
    if (isBoundToLoopback(server)) return
    const { address } = server.address() as AddressInfo
    // Once Fastify is done with the event, which it reports on with the address.
    setImmediate(() => server.close())
    server.emit(
      'error',
      startupError(
        'publicUrlRequired',
        `publicUrl: missing, and the app listens on ${address}. Set publicUrl to the address clients use ('https://mcp.example.com'), or listen on 127.0.0.1`
      )
    )
  })
}
