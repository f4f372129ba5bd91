/** Which server is behind the MCP route? */

import type { FastifyInstance } from 'fastify'
import { startupError } from '../errors.ts'
import type { Guards } from '../guard/guard.ts'
import type { Config } from '../options/config.ts'
import type { SdkServer } from '../options/mcp.ts'
import type { Log } from '../types.ts'
import { type McpEndpoint, type OnStart, withToolAccess } from './access/tool-access.ts'
import type { ScopedTool } from './access/tool-list.ts'
import { type ScopelessEndpoint, rpcCode } from './rpc/messages.ts'
import { createFetchEndpoint, withModernEra } from './servers/fetch.ts'
import type { RequestInfo } from './servers/multiplexer.ts'
import { createPerRequestEndpoint, createSharedEndpoint } from './servers/sdk.ts'
import { injectTokensOf } from './tools/call.ts'
import { type ToolCollection, createToolCollector } from './tools/collect.ts'

/**
 * Creates the server of the options `mcp.server`, `mcp.handler` or `mcp.tools`.
 *
 * @param holds checks whether a caller has scopes
 * @param tools builds the tools. Called once, by `ready()`
 * @returns the server, or `null` without one: then the user adds the route
 */
export function createEndpoint (
  { mcp, secrets }: Pick<Config, 'mcp' | 'secrets'>,
  urls: () => { resource: string },
  holds: Guards['holds'],
  log: Log,
  tools: (() => ToolCollection) | undefined
): McpEndpoint | null {
  const { server, handler, toolScopes } = mcp
  const withScopes = (endpoint: ScopelessEndpoint, onStart: OnStart | null) =>
    withToolAccess(endpoint, toolScopes, holds, onStart)
  const inBothEras = (legacy: ScopelessEndpoint, onStart: OnStart | null) =>
    withScopes(withModernEra(legacy, urls, log), onStart)

  if (handler !== undefined) return withScopes(createFetchEndpoint(handler, urls, secrets), null)
  if (typeof server === 'function') return inBothEras(createPerRequestEndpoint(server), null)
  if (server !== undefined) return inBothEras(createSharedEndpoint(server), checkNames)
  if (tools === undefined) return null
  return inBothEras(createSharedEndpoint(() => createToolServer(mcp, tools())), checkNames)

  /** A server may add tools later, so an unknown name may be right. Routes are complete by now. */
  function checkNames (listed: readonly ScopedTool[]) {
    const names = Object.keys(typeof toolScopes === 'object' ? toolScopes : {})
      .filter(name => !listed.some(tool => tool.name === name))
    if (names.length === 0) return
    if (server === undefined) {
      const problems = names.map(name =>
        `mcp.toolScopes: no tool is named ${JSON.stringify(name)}. Use the operation id of a route`
      )
      throw startupError('invalidTools', ...problems)
    }
    log.warn(
      { option: 'mcp.toolScopes', names },
      'mcp.toolScopes names tools the server does not have. A mistyped name leaves the intended tool unprotected'
    )
  }
}

/** Collects the routes of the app from now on. Returns a function that makes tools of them. */
export function collectTools (
  instance: FastifyInstance,
  root: FastifyInstance,
  { headers, mcp, prefix }: Config,
  log: Log
) {
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

/** Creates an SDK 1.x server whose tools are routes. Apps without such tools never load the SDK. */
async function createToolServer (
  { name, version, instructions }: Config['mcp'],
  { tools, call }: ToolCollection
): Promise<SdkServer> {
  const { Server } = await import('@modelcontextprotocol/sdk/server/index.js')
  const { CallToolRequestSchema, ListToolsRequestSchema, McpError } = await import(
    '@modelcontextprotocol/sdk/types.js'
  )
  const server = new Server({ name, version }, {
    capabilities: { tools: {} },
    ...(instructions !== undefined && { instructions })
  })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }))
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { requestInfo, signal }) => {
      const caller = { ...requestInfo as RequestInfo, signal }
      const result = await call(params.name, params.arguments ?? {}, caller)
      if (result === null) throw new McpError(rpcCode.invalidParams, 'Unknown tool')
      return result
    }
  )
  return server
}
