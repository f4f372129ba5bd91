import { startupError } from '../errors.ts'
import type { McpAuth } from '../contracts.ts'
import type { McpEndpoint, ScopelessEndpoint } from './call.ts'
import type { FetchHandler, SdkServer } from '../schemas/options.ts'
import { createFetchEndpoint } from './fetch-handler.ts'
import { type SdkServerFactory, createPerRequestEndpoint, createSharedEndpoint } from './sdk-server.ts'
import { scopesOfCalls, toolScopesOf } from './scopes.ts'
import { createToolServer } from './tool-server.ts'
import type { ToolCollection } from './tools.ts'

export type { McpAnswer, McpCall, McpEndpoint } from './call.ts'

/** What serves the MCP route: `server`, else `handler`, else the tools of `EndpointDeps`. */
export interface EndpointOptions {
  /** A server of `@modelcontextprotocol/sdk` 1.x for all callers, or a function that makes one per request. */
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
  /** The MCP route's URL as configured. A function, if only listening tells the port. */
  resource: string | (() => string)
  /** Builds the tools; called once, by `ready()`. */
  tools?: () => ToolCollection
  /** What the operator says about the scopes of tools. */
  toolScopes?: Parameters<typeof toolScopesOf>[0]
  /** Whether a caller has scopes. Defaults to yes. */
  holds?: (authInfo: McpAuth | undefined, scopes: readonly string[]) => boolean
}

/** The server behind the MCP route, or `null` if none is given: then the route is the user's own. */
export function createEndpoint (options: EndpointOptions, { resource, tools, toolScopes, holds = () => true }: EndpointDeps): McpEndpoint | null {
  const { server, handler } = options
  let scopesOf = toolScopesOf(toolScopes)
  const catalog = new Set(typeof toolScopes === 'object' ? Object.values(toolScopes).flat() : [])
  const withScopes = (endpoint: ScopelessEndpoint): McpEndpoint => (
    { ...endpoint, scopes: (body) => scopesOfCalls(body, scopesOf), catalog: () => [...catalog] }
  )
  if (typeof server === 'function') return withScopes(createPerRequestEndpoint(server))
  if (server !== undefined) return withScopes(createSharedEndpoint(server))
  if (handler !== undefined) return withScopes(createFetchEndpoint(handler, resource))
  if (tools === undefined) return null
  return withScopes(createSharedEndpoint(async () => {
    const collection = tools()
    const unknown = typeof toolScopes === 'object' ? Object.keys(toolScopes).filter(name => !collection.tools.some(tool => tool.name === name)) : []
    if (unknown.length > 0) throw startupError('invalidTools', ...unknown.map(name => `mcp.toolScopes: no tool is called ${JSON.stringify(name)}`))
    for (const { name } of collection.tools) for (const scope of collection.scopes.get(name) ?? []) catalog.add(scope)
    scopesOf = toolScopesOf(toolScopes, (tool) => collection.scopes.get(tool) ?? [])
    return await createToolServer(options, collection, ({ name }, authInfo) => holds(authInfo, scopesOf(name)))
  }))
}
