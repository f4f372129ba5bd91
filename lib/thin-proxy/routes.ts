import type { FastifyInstance } from 'fastify'
import { registerEndpoint } from '../clients/register.ts'
import { serve, servedBy } from '../host/endpoint.ts'
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
    for (const endpoint of servedBy(proxy, [registerEndpoint])) serve(scope, proxy, endpoint)
  }, { prefix: prefixWithin(instance, proxy.config.prefix), logSerializers })
}
