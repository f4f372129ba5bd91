import type { FastifyInstance } from 'fastify'
import { registerRoute } from '../register.ts'
import { logSerializers, prefixWithin, seal } from '../seal.ts'
import { authorizeRoute } from './authorize.ts'
import type { Broker } from './broker.ts'
import { callbackRoute } from './callback.ts'
import { consentRoute } from './consent.ts'
import { jwksRoute } from './jwks.ts'
import { review } from './review.ts'
import { revokeRoute } from './revoke.ts'
import { tokenRoute } from './token.ts'

/** The endpoints of the broker, in a scope that is cut off from the host. */
export function brokerEndpoints (instance: FastifyInstance, broker: Broker): void {
  const { prefix, registration, legacyEndpoints, clients } = broker.config
  instance.register(async (scope) => {
    seal(scope)
    authorizeRoute(scope, broker, '/oauth/authorize')
    consentRoute(scope, broker)
    callbackRoute(scope, broker)
    tokenRoute(scope, broker, '/oauth/token')
    if (registration) registerRoute(scope, broker.clients, broker.redirectPolicy, '/oauth/register')
    revokeRoute(scope, broker)
    jwksRoute(scope, broker)
    review(scope, broker)
    if (!legacyEndpoints) return
    // Where clients of the first MCP revision look when they find no metadata.
    authorizeRoute(scope, broker, '/authorize')
    tokenRoute(scope, broker, '/token')
    if (registration) registerRoute(scope, broker.clients, broker.redirectPolicy, '/register')
  }, { prefix: prefixWithin(instance, prefix), logSerializers })
  // By then the routes and tools are known.
  instance.addHook('onListen', async () => {
    const scopes = clients.flatMap(({ scopes = [] }) => scopes).filter(name => !broker.catalog().includes(name))
    if (scopes.length > 0) broker.log.info({ option: 'clients', scopes }, 'no option, route or tool knows these scopes: if none is mistyped, only the machines they were given to have them')
  })
}
