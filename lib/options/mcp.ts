/** Which server serves the MCP route, and which routes become tools? */
import { Type, type Static } from '@sinclair/typebox'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyRequest } from 'fastify'
import { mcpBodyBytes } from '../limits.ts'
import type { McpAuth } from '../types.ts'
import {
  callable,
  closed,
  flag,
  instance,
  list,
  optional,
  path,
  scope,
  text,
  withDefault
} from './fields.ts'

/** The methods we use of the SDK's `McpServer` and `Server` (1.x), whichever copy they are from. */
export interface SdkServer {
  connect(transport: Transport): Promise<void>
  close(): Promise<void>
}

/**
 * An object that responds to web requests, such as the result of `createMcpHandler` of
 * `@modelcontextprotocol/server` 2.x.
 */
export interface FetchHandler {
  fetch(
    request: Request,
    extra: { authInfo?: McpAuth, parsedBody?: unknown }
  ): Response | Promise<Response>
  close?(): void | Promise<void>
}

export const ToolOptionsSchema = Type.Object({
  /** Only the routes with these operation ids. */
  includeOperations: optional(list(text)),
  /** All but the routes with these operation ids. */
  excludeOperations: optional(list(text)),
  /** Only the routes that carry one of these tags. */
  includeTags: optional(list(text)),
  /** All but the routes that carry one of these tags. */
  excludeTags: optional(list(text)),
  /**
   * Describe every response of a route in its tool's description, not the successful one alone.
   * Default `false`.
   */
  describeAllResponses: optional(flag),
  /**
   * Put the whole JSON Schema of a response in the description, beside the example. Default
   * `false`.
   */
  describeFullResponseSchema: optional(flag)
}, closed)

/** Which routes become tools, and how they are described. The filters intersect. */
export interface ToolOptions extends Static<typeof ToolOptionsSchema> {}

export const McpOptionsSchema = Type.Object({
  /** Path of the MCP route below the prefix. Default `/mcp`. */
  path: withDefault('/mcp', path('/mcp', '^/[^?#*:\\s]*[^?#*:\\s/]$')),
  /** Name the server gives itself, for `tools`. Default `fastify-mcp`. */
  name: withDefault('fastify-mcp', text),
  /** Version the server gives itself, for `tools`. Default `1.0.0`. */
  version: withDefault('1.0.0', text),
  /** Advice to models on how to use the tools. */
  instructions: optional(text),
  /**
   * A server of `@modelcontextprotocol/sdk` 1.x: an instance that serves every caller, or a
   * function that makes one per request.
   */
  server: optional(Type.Union([
    callable<(request: FastifyRequest) => SdkServer | Promise<SdkServer>>(),
    instance<SdkServer>('connect', 'close')
  ])),
  /**
   * Anything with `fetch(Request, { authInfo, parsedBody })`, such as `createMcpHandler` of
   * `@modelcontextprotocol/server` 2.x.
   */
  handler: optional(instance<FetchHandler>('fetch')),
  /** The app's own routes as tools. `true` takes every route that has an operation id. */
  tools: optional(Type.Union([Type.Literal(true), ToolOptionsSchema])),
  /**
   * Scopes that single tools need beyond those of the route: `{ delete_note: ['notes:write'] }`, or
   * a function of the tool's name and annotations. Has precedence over `config.mcp.scopes` of a
   * route and over the `_meta` of a server's tool.
   */
  toolScopes: optional(Type.Union([
    callable<
      (tool: string, annotations: Readonly<ToolAnnotations>) => readonly string[] | undefined
    >(),
    Type.Record(Type.String(), list(scope, { minItems: 0 }))
  ])),
  /** Largest request body, in bytes. Default 4 MiB. */
  bodyLimit: withDefault(mcpBodyBytes, Type.Integer({ minimum: 1 }))
}, closed)
