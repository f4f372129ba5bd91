/** Which parts serve the MCP route? */
import type { FastifyInstance } from 'fastify'
import type { CallerEvents } from '../guard/caller-events.ts'
import type { Guards } from '../guard/guard.ts'
import { warnOfAddresses } from '../host/addresses.ts'
import type { Config } from '../options/config.ts'
import type { Log } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { createVisibility } from './access/visible.ts'
import { createEndpoint } from './endpoint.ts'
import { mcpRoute } from './route.ts'
import type { collectRoutes } from './tools/candidates.ts'
import { buildTools } from './tools/collect.ts'

/**
 * Adds the MCP route.
 *
 * @param catalog the scopes that users may request
 * @param routes of the app, which become tools
 */
export function serveMcp (
  instance: FastifyInstance,
  root: FastifyInstance,
  { config, urls, log, catalog, guards, callerEvents, routes }: {
    config: Config
    urls: UrlSource
    log: Log
    catalog: () => readonly string[]
    guards: Guards
    callerEvents: CallerEvents
    routes: ReturnType<typeof collectRoutes> | undefined
  }
) {
  const isVisible = createVisibility(config, () => urls().base, catalog)
  const tools = routes && (() => buildTools(routes, instance, root, config, log))
  const endpoint = createEndpoint(config, urls, isVisible, log, tools)
  if (endpoint) {
    warnOfAddresses(instance, config, urls, log)
    mcpRoute(instance, config, guards, endpoint, callerEvents, urls)
  }
  return endpoint
}
