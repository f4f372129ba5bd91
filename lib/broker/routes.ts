import type { FastifyInstance } from 'fastify'
import { registerRoute } from '../clients/register.ts'
import { logSerializers, prefixWithin, isolate } from '../host/isolate.ts'
import { authorizeRoute } from './endpoints/authorize.ts'
import type { Broker } from './broker.ts'
import { callbackRoute } from './endpoints/callback.ts'
import { consentRoute } from './endpoints/consent.ts'
import { jwksRoute } from './endpoints/jwks.ts'
import { checkSharedSecrets } from './secret-check.ts'
import { revokeRoute } from './endpoints/revoke.ts'
import { tokenRoute } from './endpoints/token.ts'

/** The endpoints of the broker, in a scope that is cut off from the host. */
export function brokerEndpoints (instance: FastifyInstance, broker: Broker): void {
  const { prefix, registration, legacyEndpoints, clients } = broker.config
  instance.register(async (scope) => {
    isolate(scope)
    authorizeRoute(scope, broker, '/oauth/authorize')
    consentRoute(scope, broker)
    callbackRoute(scope, broker)
    tokenRoute(scope, broker, '/oauth/token')
    if (registration) registerRoute(scope, broker.clients, broker.redirectPolicy, '/oauth/register')
    revokeRoute(scope, broker)
    jwksRoute(scope, broker)
    checkSharedSecrets(scope, broker)
    if (!legacyEndpoints) return
    // Where clients of the first MCP revision look when they find no metadata.
    authorizeRoute(scope, broker, '/authorize')
    tokenRoute(scope, broker, '/token')
    if (registration) registerRoute(scope, broker.clients, broker.redirectPolicy, '/register')
  }, { prefix: prefixWithin(instance, prefix), logSerializers })
  // By then the routes and tools are known.
  instance.addHook('onListen', async () => {
    const scopes = clients.flatMap(({ scopes = [] }) => scopes).filter(name =>
      !broker.catalog().includes(name)
    )
    if (scopes.length > 0) {
      broker.log.info(
        { option: 'clients', scopes },
        'no option, route or tool knows these scopes: if none is mistyped, only the machines they were given to have them'
      )
    }
  })
}
