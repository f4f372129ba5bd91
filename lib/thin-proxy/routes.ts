import type { FastifyInstance } from 'fastify'
import { registerRoute } from '../clients/register.ts'
import { logSerializers, prefixWithin, isolate } from '../host/isolate.ts'
import { authorizeRoute } from './authorize.ts'
import type { ThinProxy } from './proxy.ts'
import { tokenRoute } from './token.ts'

/** The endpoints of the thin proxies, in a scope that is cut off from the host. */
export function thinEndpoints (instance: FastifyInstance, proxy: ThinProxy): void {
  instance.register(async (scope) => {
    isolate(scope)
    authorizeRoute(scope, proxy)
    tokenRoute(scope, proxy)
    if (proxy.config.registration) {
      registerRoute(scope, proxy.clients, proxy.redirectPolicy, '/oauth/register')
    }
  }, { prefix: prefixWithin(instance, proxy.config.prefix), logSerializers })
}
