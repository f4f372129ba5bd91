/** Which endpoints does the broker have? */

import type { FastifyInstance } from 'fastify'
import { authenticationMethods } from '../clients/clients.ts'
import { registerEndpoint } from '../clients/register.ts'
import { endpointUrls, pathOf, serve, servedBy, type Endpoint } from '../host/endpoint.ts'
import { isolate, prefixWithin } from '../host/isolate.ts'
import { logSerializers } from '../host/replies.ts'
import { authorizationServerDocument } from '../oauth/metadata.ts'
import { createBroker, type Broker, type BrokerOptions } from './broker.ts'
import { authorizeEndpoint } from './endpoints/authorize.ts'
import { callbackEndpoint } from './endpoints/callback.ts'
import { consentEndpoint } from './endpoints/consent.ts'
import { jwksEndpoint } from './endpoints/jwks.ts'
import { revokeEndpoint } from './endpoints/revoke.ts'
import { tokenEndpoint } from './endpoints/token.ts'
import { offeredGrants } from './grants/index.ts'
import { checkSharedSecrets } from './secret-check.ts'

/**
 * All endpoints of the broker. The metadata document, the routes, CORS, and the redirect URIs that
 * clients cannot have are read from here.
 */
export const endpoints: ReadonlyArray<Endpoint<Broker>> = [
  authorizeEndpoint,
  consentEndpoint,
  callbackEndpoint,
  tokenEndpoint,
  registerEndpoint,
  revokeEndpoint,
  jwksEndpoint
]

/**
 * Creates a broker and serves its endpoints in a scope that is isolated from the host.
 *
 * @returns the broker, and the function that returns its metadata document (RFC 8414)
 */
export async function registerBroker (
  instance: FastifyInstance,
  options: Omit<BrokerOptions, 'paths'>
): Promise<{ broker: Broker, document: () => string }> {
  const { config: { prefix, legacyEndpoints, clients }, log, catalog } = options
  const paths = endpoints.flatMap(endpoint => [
    pathOf(endpoint),
    ...(legacyEndpoints ? [`/${endpoint.name}`] : [])
  ])
  const broker = await createBroker({ ...options, paths })
  const served = servedBy(broker, endpoints)
  instance.register(async (scope) => {
    isolate(scope)
    for (const endpoint of served) {
      serve(scope, broker, endpoint)
      if (legacyEndpoints && endpoint.legacy) serve(scope, broker, endpoint, `/${endpoint.name}`)
    }
    checkSharedSecrets(scope, broker)
  }, { prefix: prefixWithin(instance, prefix), logSerializers })
  // By then the routes and tools are known.
  instance.addHook('onListen', async () => {
    const scopes = clients.flatMap(({ scopes = [] }) => scopes).filter(name =>
      !catalog().includes(name)
    )
    if (scopes.length > 0) {
      log.info(
        { option: 'clients', scopes },
        'Only clients without users have these scopes: no option, route or tool names them. ' +
          'Check them for typing errors'
      )
    }
  })
  return { broker, document: () => documentOf(broker, served) }
}

function documentOf (
  { config, issuer, catalog }: Broker,
  served: ReadonlyArray<Endpoint<Broker>>
): string {
  return JSON.stringify(authorizationServerDocument({
    issuer: issuer(),
    endpoints: endpointUrls(issuer(), served),
    grantTypes: Object.keys(offeredGrants(config)),
    scopes: [...catalog(), 'offline_access'],
    broker: {
      clientIdMetadata: config.clientIdMetadata !== null,
      dpop: config.dpop !== 'off'
    },
    authenticationMethods: authenticationMethods(config.clients)
  }))
}
