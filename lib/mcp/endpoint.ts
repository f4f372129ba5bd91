/** Which server is behind the MCP route? */

import type { Log } from '../types.ts'
import { startupError } from '../errors.ts'
import type { McpEndpoint, ScopelessEndpoint } from './rpc/types.ts'
import type { Config } from '../options/config.ts'
import { createFetchEndpoint } from './servers/fetch.ts'
import { withModernEra } from './servers/modern.ts'
import { createPerRequestEndpoint, createSharedEndpoint } from './servers/sdk.ts'
import type { ScopedTool } from './access/scopes.ts'
import type { Sessions } from './access/sessions.ts'
import { type Holds, type OnStart, withToolAccess } from './access/tool-access.ts'
import { type ToolServerOptions, createToolServer } from './tools/server.ts'
import type { ToolCollection } from './tools/collect.ts'

export type { McpEndpoint } from './rpc/types.ts'

/** The server behind the MCP route: `server`, else `handler`, else the tools of `EndpointDeps`. */
export type EndpointOptions =
  & ToolServerOptions
  & Pick<Config['mcp'], 'server' | 'handler' | 'toolScopes'>

export interface EndpointDeps {
  /** The URL of the MCP route. Called at each use: the port may be unknown until `listen`. */
  resource: () => string
  /** Builds the tools. Called once, by `ready()`. */
  tools?: () => ToolCollection
  /** Checks whether a caller has scopes. */
  holds: Holds
  log: Log
  /** Binds the sessions of a handler to their callers. */
  sessions: Sessions
}

/**
 * Creates the server behind the MCP route.
 *
 * @returns the server, or `null` without one: then the user adds the route
 */
export function createEndpoint (
  options: EndpointOptions,
  { resource, tools, holds, log, sessions }: EndpointDeps
): McpEndpoint | null {
  const { server, handler, toolScopes } = options
  const access = { toolScopes, holds }
  const inBothEras = (legacy: ScopelessEndpoint, onStart: OnStart | null) =>
    withToolAccess(withModernEra(legacy, resource, log), access, onStart)

  if (handler !== undefined) {
    return withToolAccess(createFetchEndpoint(handler, resource, sessions), access, null)
  }
  if (typeof server === 'function') return inBothEras(createPerRequestEndpoint(server), null)
  if (server !== undefined) return inBothEras(createSharedEndpoint(server), warnOfUnknownNames)
  if (tools === undefined) return null
  const toolServer = createSharedEndpoint(() => createToolServer(options, tools()))
  return inBothEras(toolServer, rejectUnknownNames)

  /** A server may add tools later, so an unknown name may be right. */
  function warnOfUnknownNames (listed: readonly ScopedTool[]): void {
    const names = unknownNames(listed)
    if (names.length === 0) return
    log.warn(
      { option: 'mcp.toolScopes', names },
      'mcp.toolScopes names tools the server does not have. A mistyped name leaves the intended tool unprotected'
    )
  }

  function rejectUnknownNames (listed: readonly ScopedTool[]): void {
    const problems = unknownNames(listed).map(name =>
      `mcp.toolScopes: no tool is named ${JSON.stringify(name)}. Use the operation id of a route`
    )
    if (problems.length > 0) throw startupError('invalidTools', ...problems)
  }

  function unknownNames (listed: readonly ScopedTool[]): string[] {
    return typeof toolScopes === 'object'
      ? Object.keys(toolScopes).filter(name => !listed.some(tool => tool.name === name))
      : []
  }
}
