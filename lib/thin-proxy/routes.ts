/** How is a thin proxy served? */
import type { FastifyInstance } from 'fastify'
import { registerEndpoint } from '../clients/register.ts'
import { pathOf, serveEndpoints, type Endpoint } from '../host/endpoint.ts'
import type { Events } from '../host/events.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import { userGrants } from '../oauth/token-request.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import type { UrlSource } from '../urls.ts'
import { authorizeEndpoint } from './authorize.ts'
import { createThinProxy, type ThinConfig, type ThinProxy } from './proxy.ts'
import { tokenEndpoint } from './token.ts'

/** All endpoints. The routes, the metadata document and the redirect policy are read from here. */
const endpoints: Array<Endpoint<ThinProxy>> = [authorizeEndpoint, tokenEndpoint, registerEndpoint]

/**
 * Serves a thin proxy in a scope that is isolated from the host.
 *
 * @returns its metadata document (RFC 8414)
 */
export function registerThinProxy (
  instance: FastifyInstance,
  config: ThinConfig,
  discovery: ProviderDiscovery,
  urls: UrlSource,
  events: Events
): () => Promise<string> {
  // Paths of the broker are forbidden as well: redirect URIs outlive a change of mode.
  const paths = [...endpoints, { name: 'callback' }, { name: 'consent' }].map(pathOf)
  const proxy = createThinProxy(config, discovery, urls, paths, events)
  const endpointUrls = serveEndpoints(instance, proxy, endpoints)
  return async () => {
    const { scopes_supported: scopes } = await proxy.providerMetadata()
    const issuer = urls().base
    return JSON.stringify(authorizationServerDocument({
      issuer,
      endpoints: endpointUrls(issuer),
      grantTypes: userGrants,
      scopes
    }))
  }
}
