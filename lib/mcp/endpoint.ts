import type { Log } from '../types.ts'
import { startupError } from '../errors.ts'
import type { McpEndpoint } from './rpc/types.ts'
import type { FetchHandler, SdkServer } from '../options/schema.ts'
import { createFetchEndpoint } from './servers/fetch.ts'
import { withModernEra } from './servers/modern.ts'
import {
  type SdkServerFactory,
  createPerRequestEndpoint,
  createSharedEndpoint
} from './servers/sdk.ts'
import type { ScopedTool, ToolScopesOption } from './access/scopes.ts'
import type { Sessions } from './access/sessions.ts'
import { type Holds, withToolAccess } from './access/tool-access.ts'
import { createToolServer } from './tools/server.ts'
import type { ToolCollection } from './tools/collect.ts'

export type { McpResponse, McpRequest, McpEndpoint } from './rpc/types.ts'

/** What serves the MCP route: `server`, else `handler`, else the tools of `EndpointDeps`. */
export interface EndpointOptions {
  /**
   * A server of `@modelcontextprotocol/sdk` 1.x for all callers, or a function that makes one per
   * request.
   */
  server?: SdkServer | SdkServerFactory
  /** A fetch-shaped server, such as `createMcpHandler()` of `@modelcontextprotocol/server` 2.x. */
  handler?: FetchHandler
  /** Name of the server that serves the tools. */
  name: string
  /** Its version. */
  version: string
  instructions?: string
}

export interface EndpointDeps {
  /** The MCP route's URL. Asked for at each use, because only listening may tell the port. */
  resource: () => string
  /** Builds the tools; called once, by `ready()`. */
  tools?: () => ToolCollection
  /** What the operator says about the scopes of tools. */
  toolScopes?: ToolScopesOption | undefined
  /** Whether a caller has scopes. Defaults to yes. */
  holds?: Holds
  /** Told what may be a mistake, or may be meant. */
  log?: Log
  /** Ties the sessions of a handler to their callers. */
  sessions?: Sessions | undefined
}

/**
 * The server behind the MCP route, or `null` if none is given: then the route is the user's own.
 */
export function createEndpoint (
  options: EndpointOptions,
  { resource, tools, toolScopes, holds = () => true, log, sessions }: EndpointDeps
): McpEndpoint | null {
  const { server, handler } = options
  const access = { toolScopes, holds }
  if (typeof server === 'function') {
    return withToolAccess(
      withModernEra(createPerRequestEndpoint(server), resource, log),
      access,
      null
    )
  }
  if (server !== undefined) {
    return withToolAccess(
      withModernEra(createSharedEndpoint(server), resource, log),
      access,
      found => {
        const names = unknownOf(found)
        if (names.length > 0) {
          log?.warn(
            { option: 'mcp.toolScopes', names },
            'no tool of the server has these names yet: where they are mistyped, the tool that is meant is open'
          )
        }
      }
    )
  }
  if (handler !== undefined) {
    return withToolAccess(createFetchEndpoint(handler, resource, sessions), access, null)
  }
  if (tools === undefined) return null
  const legacy = createSharedEndpoint(() => createToolServer(options, tools()))
  return withToolAccess(withModernEra(legacy, resource, log), access, found => {
    const problems = unknownOf(found).map(name =>
      `mcp.toolScopes: no tool is called ${JSON.stringify(name)}`
    )
    if (problems.length > 0) throw startupError('invalidTools', ...problems)
  })

  function unknownOf (found: readonly ScopedTool[]): string[] {
    return typeof toolScopes === 'object'
      ? Object.keys(toolScopes).filter(name => !found.some(tool => tool.name === name))
      : []
  }
}
