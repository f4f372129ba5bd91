/** Which server does a registration put behind its MCP route? */
import type { FastifyInstance } from 'fastify'
import type { Guards } from '../guard/guard.ts'
import type { Config } from '../options/config.ts'
import type { Log } from '../types.ts'
import type { UrlSource } from '../urls.ts'
import { createSessions } from './access/sessions.ts'
import { createEndpoint, type McpEndpoint } from './endpoint.ts'
import { createToolCollector, type ToolCollection } from './tools/collect.ts'
import { injectTokensOf } from './tools/inject.ts'

/** A registration, as its MCP route needs it. */
export interface McpDependencies {
  root: FastifyInstance
  config: Config
  urls: UrlSource
  guards: Guards
  log: Log
}

/**
 * Creates the server of the options `mcp.server`, `mcp.handler` or `mcp.tools`.
 *
 * @returns the server, or `null` without one: then the user adds the route
 */
export function createMcpEndpoint (
  instance: FastifyInstance,
  { root, config, urls, guards, log }: McpDependencies
): McpEndpoint | null {
  return createEndpoint(config.mcp, {
    resource: () => urls().resource,
    holds: guards.holds,
    sessions: createSessions(config.secrets),
    log,
    ...(config.mcp.tools !== undefined && { tools: collectTools(instance, root, config, log) })
  })
}

/** Collects the routes of the app from now on. */
function collectTools (
  instance: FastifyInstance,
  root: FastifyInstance,
  { headers, mcp, prefix }: Config,
  log: Log
): () => ToolCollection {
  const collector = createToolCollector(injectTokensOf(root))
  instance.addHook('onRoute', collector.onRoute)
  return () => {
    const collection = collector.build({
      options: mcp.tools === true ? {} : mcp.tools ?? {},
      headers,
      inject: instance.inject.bind(instance) as never
    })
    if (collection.tools.length === 0) {
      log.warn(
        { path: prefix + mcp.path },
        'No route became a tool: await app.register(mcpOAuth, …) must come before the routes, ' +
          'and each needs an operationId in its schema'
      )
    }
    return collection
  }
}
