/** Which server serves the MCP route, and which routes become tools? */
import type { Static } from '@sinclair/typebox'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyRequest } from 'fastify'
import { answerBytes, maxToolNameChars, mcpBodyBytes } from '../limits.ts'
import { Type } from '../schemas/type.ts'
import type { McpAuth } from '../types.ts'
import { cardOption } from './card.ts'
import {
  callable,
  checked,
  closed,
  expect,
  flag,
  instance,
  list,
  oneOf,
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

const toolName = checked(text, name =>
  /^[\w.-]+$/.test(name) && name.length <= maxToolNameChars
    ? null
    : `is not a tool name. Use 1 to ${maxToolNameChars} of A-Z a-z 0-9 _ - .`)

/** A route that gets a name. */
export interface NamedRoute {
  readonly method: string
  /** URL with its prefix, in the syntax of the router: `/orders/:id`. */
  readonly url: string
  readonly operationId: string | undefined
}

export const ToolOptionsSchema = Type.Object({
  /**
   * `all`: every route that can be a tool, which is the default. `marked`: only routes with
   * `config: { mcp: true }` or an object there.
   */
  select: optional(oneOf('all', 'marked')),
  /** Only routes with these methods, such as `['GET']`. */
  methods: optional(list(text)),
  /** Only routes below these paths, such as `['/api']`. */
  paths: optional(list(expect<string>(
    "a path such as '/api'",
    value => typeof value === 'string' && value.startsWith('/')
  ))),
  /** Only the routes with these operation ids or tool names. */
  includeOperations: optional(list(text)),
  /** All but the routes with these operation ids or tool names. */
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
  /** Add the JSON Schema of each listed response to the description. Default `false`. */
  describeFullResponseSchema: optional(flag),
  /**
   * Names a tool that has no `config.mcp.name`. `undefined` leaves it to the default: the operation
   * id, else method and path (`get_orders_by_id`).
   */
  name: optional(callable<(route: NamedRoute) => string | undefined>()),
  /**
   * Tools in the list of a caller. `reachable`: those it has the scopes for, or may request the
   * scopes for. `allowed`: only those it may call with its token. Default: `reachable` with the
   * broker, else `allowed`.
   */
  visible: optional(oneOf('reachable', 'allowed')),
  /**
   * Headers in the schemas of routes that become arguments beside the harmless ones, such as
   * `['x-account']`; `true`: all that a caller may set. Never list a header that your gateway sets.
   */
  headerArguments: optional(Type.Union([Type.Literal(true), list(text)])),
  /** Largest response of a route, in bytes. Default 4 MiB. */
  answerLimit: optional(Type.Integer({ minimum: 1 })),
  /** Publish output schemas. Default `true`. */
  outputSchemas: optional(flag)
}, closed)

const RouteToolSchema = Type.Object({
  /** Name of the tool. Default: the operation id, else method and path. */
  name: optional(toolName),
  /** Title that clients show. Default: a short `summary`. */
  title: optional(text),
  /** Description for models. Default: `summary` and `description` of the schema. */
  description: optional(text),
  /** Properties of the tool that differ from those of the method. */
  annotations: optional(Type.Unsafe<Readonly<ToolAnnotations>>(Type.Object({
    title: optional(text),
    readOnlyHint: optional(flag),
    destructiveHint: optional(flag),
    idempotentHint: optional(flag),
    openWorldHint: optional(flag)
  }, closed))),
  /** Scopes a caller of the tool needs. */
  scopes: optional(list(scope, { minItems: 0 })),
  /** The route is public, so no warning says that it has no guard. */
  public: optional(flag),
  /** URI (template) of the route as a resource, such as `notes://{id}`. */
  resource: optional(text)
}, closed)

/** A route's description of itself as a tool. */
export interface RouteTool extends Static<typeof RouteToolSchema> {}

/** `config.mcp` of a route. TypeScript does not check it: a mistyped scope would open a tool. */
export const RouteConfigSchema = Type.Union([flag, RouteToolSchema])

/** Which routes become tools, and how they are described. The filters intersect. */
export interface ToolOptions extends Static<typeof ToolOptionsSchema> {}

/** Returns the option `mcp.tools` as an object, with the defaults that depend on nothing else. */
export function toolOptionsOf (tools: true | ToolOptions | undefined) {
  const given = tools === true ? {} : tools
  return { select: 'all', answerLimit: answerBytes, ...given } as const
}

/**
 * Decides whether a caller may call a tool: `true`, or `false` or a `reason` to refuse, or the
 * `scopes` the caller must request first (403).
 *
 * Lists of tools ask without `arguments`: then answer for the most that any call might be allowed.
 */
export type AuthorizeTool = (call: {
  /** The caller; null without a verified token or dependency. */
  readonly caller: McpAuth | null
  /** Name of the tool. */
  readonly tool: string
  readonly annotations: Readonly<ToolAnnotations>
  /** Arguments of the call, not validated yet; `undefined` for a list. */
  readonly arguments: Readonly<Record<string, unknown>> | undefined
  readonly request: FastifyRequest
}) => ToolVerdict | Promise<ToolVerdict>

/** Result of `authorizeTool`. The caller reads the reason. */
export type ToolVerdict = boolean | { reason: string } | { scopes: readonly string[] }

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
    instance<SdkServer>('connect, close')
  ])),
  /**
   * Anything with `fetch(Request, { authInfo, parsedBody })`, such as `createMcpHandler` of
   * `@modelcontextprotocol/server` 2.x.
   */
  handler: optional(instance<FetchHandler>('fetch')),
  /** The app's own routes as tools. `true` takes every route that can be one. */
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
  /**
   * Decides each call of a tool by its caller and arguments, and which tools a caller sees in
   * lists. Runs after the checks of scopes.
   */
  authorizeTool: optional(callable<AuthorizeTool>()),
  /** Serve a server card (SEP-2127), by which clients learn about the server. Default: none. */
  card: cardOption,
  /** Largest request body, in bytes. Default 4 MiB. */
  bodyLimit: withDefault(mcpBodyBytes, Type.Integer({ minimum: 1 }))
}, closed)
