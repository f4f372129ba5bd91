/** Which endpoints does the broker have? */

import type { FastifyInstance } from 'fastify'
import { registerEndpoint } from '../clients/register.ts'
import { serve, servedBy, type Endpoint } from '../host/endpoint.ts'
import { isolate, prefixWithin } from '../host/isolate.ts'
import { logSerializers } from '../host/replies.ts'
import type { Broker } from './broker.ts'
import { authorizeEndpoint } from './endpoints/authorize.ts'
import { callbackEndpoint } from './endpoints/callback.ts'
import { consentEndpoint } from './endpoints/consent.ts'
import { jwksEndpoint } from './endpoints/jwks.ts'
import { revokeEndpoint } from './endpoints/revoke.ts'
import { tokenEndpoint } from './endpoints/token.ts'
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

/** Serves the endpoints of the broker in a scope that is isolated from the host. */
export function brokerEndpoints (instance: FastifyInstance, broker: Broker): void {
  const { prefix, legacyEndpoints, clients } = broker.config
  instance.register(async (scope) => {
    isolate(scope)
    for (const endpoint of servedBy(broker, endpoints)) {
      serve(scope, broker, endpoint)
      if (legacyEndpoints && endpoint.legacy) serve(scope, broker, endpoint, `/${endpoint.name}`)
    }
    checkSharedSecrets(scope, broker)
  }, { prefix: prefixWithin(instance, prefix), logSerializers })
  // By then the routes and tools are known.
  instance.addHook('onListen', async () => {
    const scopes = clients.flatMap(({ scopes = [] }) => scopes).filter(name =>
      !broker.catalog().includes(name)
    )
    if (scopes.length > 0) {
      broker.log.info(
        { option: 'clients', scopes },
        'Only clients without users have these scopes: no option, route or tool names them. ' +
          'Check them for typing errors'
      )
    }
  })
}
