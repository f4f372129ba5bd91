/** Which endpoints does a thin proxy have? */
import type { FastifyInstance } from 'fastify'
import { registerEndpoint } from '../clients/register.ts'
import { serve, servedBy, type Endpoint } from '../host/endpoint.ts'
import { isolate, prefixWithin } from '../host/isolate.ts'
import { logSerializers } from '../host/replies.ts'
import { authorizeEndpoint } from './authorize.ts'
import type { ThinProxy } from './proxy.ts'
import { tokenEndpoint } from './token.ts'

/** All endpoints. The routes, the metadata document and the redirect policy are read from here. */
export const endpoints: ReadonlyArray<Endpoint<ThinProxy>> = [
  authorizeEndpoint,
  tokenEndpoint,
  registerEndpoint
]

/** Serves the endpoints of a thin proxy in a scope that is isolated from the host. */
export function thinEndpoints (instance: FastifyInstance, proxy: ThinProxy): void {
  instance.register(async (scope) => {
    isolate(scope)
    for (const endpoint of servedBy(proxy, endpoints)) serve(scope, proxy, endpoint)
  }, { prefix: prefixWithin(instance, proxy.config.prefix), logSerializers })
}
