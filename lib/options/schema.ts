import { Kind, Type, TypeRegistry, type Static } from '@sinclair/typebox'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ToolAnnotations } from '@modelcontextprotocol/sdk/types.js'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type {
  AuthorizeUser,
  ConsentDetails,
  Dependency,
  McpAuth,
  ProviderTraits,
  Store,
  TokenVerifier
} from '../types.ts'
import { ClientSchema, closed, strings, type ClientOptions } from './client.ts'
import { OAuthMetadataSchema } from '../schemas/metadata.ts'

/**
 * Anything with the `connect` and `close` of the SDK's `McpServer` and `Server` (1.x), whichever
 * copy it comes from.
 */
export interface SdkServer {
  connect(transport: Transport): Promise<void>
  close(): Promise<void>
}

/**
 * Anything that answers web requests, such as what `createMcpHandler` of
 * `@modelcontextprotocol/server` 2.x returns.
 */
export interface FetchHandler {
  fetch(
    request: Request,
    extra: { authInfo?: McpAuth, parsedBody?: unknown }
  ): Response | Promise<Response>
  close?(): void | Promise<void>
}

const callable = <Signature>() => Type.Unsafe<Signature>(Type.Function([], Type.Unknown()))

// Not a Type.Object: that asks for members of the object itself, and methods of a class are its
// prototype's.
const kind = 'fastify-mcp-oauth.instance'
TypeRegistry.Set<{ methods: string[] }>(
  kind,
  ({ methods }, value) => methods.every(name => typeof Object(value)[name] === 'function')
)
const instance = <Shape>(...methods: string[]) =>
  Type.Unsafe<Shape>({
    [Kind]: kind,
    methods,
    description: `an object with the methods ${methods.join(', ')}`
  })

const path = (example: string, pattern: string) =>
  Type.String({
    pattern,
    description:
      `a path such as '${example}', without a slash at its end, query, parameter or wildcard`
  })

export const ToolOptionsSchema = Type.Object({
  /** Only the routes with these operation ids. */
  includeOperations: Type.Optional(strings()),
  /** All but the routes with these operation ids. */
  excludeOperations: Type.Optional(strings()),
  /** Only the routes that carry one of these tags. */
  includeTags: Type.Optional(strings()),
  /** All but the routes that carry one of these tags. */
  excludeTags: Type.Optional(strings()),
  /**
   * Describe every response of a route in its tool's description, not the successful one alone.
   * Default `false`.
   */
  describeAllResponses: Type.Optional(Type.Boolean()),
  /**
   * Put the whole JSON Schema of a response in the description, beside the example. Default
   * `false`.
   */
  describeFullResponseSchema: Type.Optional(Type.Boolean())
}, closed)

/** Which routes become tools, and how they are described. The filters intersect. */
export type ToolOptions = Static<typeof ToolOptionsSchema>

export const McpOptionsSchema = Type.Object({
  /** Path of the MCP route below the prefix. Default `/mcp`. */
  path: Type.Optional(path('/mcp', '^/[^?#*:\\s]*[^?#*:\\s/]$')),
  /** Name the server gives itself, for `tools`. Default `fastify-mcp`. */
  name: Type.Optional(Type.String({ minLength: 1 })),
  /** Version the server gives itself, for `tools`. Default `1.0.0`. */
  version: Type.Optional(Type.String({ minLength: 1 })),
  /** What a model should know before it uses the tools. */
  instructions: Type.Optional(Type.String({ minLength: 1 })),
  /**
   * A server of `@modelcontextprotocol/sdk` 1.x: an instance that serves everyone, or a function
   * that makes one per request.
   */
  server: Type.Optional(Type.Union([
    callable<(request: FastifyRequest) => SdkServer | Promise<SdkServer>>(),
    instance<SdkServer>('connect', 'close')
  ])),
  /**
   * Anything with `fetch(Request, { authInfo, parsedBody })`, such as `createMcpHandler` of
   * `@modelcontextprotocol/server` 2.x.
   */
  handler: Type.Optional(instance<FetchHandler>('fetch')),
  /** The app's own routes as tools. `true` takes every route that has an operation id. */
  tools: Type.Optional(Type.Union([Type.Literal(true), ToolOptionsSchema])),
  /**
   * Scopes that single tools need beyond those of the route: `{ delete_note: ['notes:write'] }`, or
   * a function of the tool's name and annotations. Comes before what a route says in
   * `config.mcp.scopes`, and a server in the `_meta` of a tool.
   */
  toolScopes: Type.Optional(Type.Union([
    callable<
      (tool: string, annotations: Readonly<ToolAnnotations>) => readonly string[] | undefined
    >(),
    Type.Record(
      Type.String(),
      Type.Unsafe<readonly string[]>(Type.Array(Type.String({ minLength: 1 })))
    )
  ])),
  /** Largest request body, in bytes. Default 4 MiB. */
  bodyLimit: Type.Optional(Type.Integer({ minimum: 1 }))
}, closed)

export const ConsentOptionsSchema = Type.Object({
  /** What the page calls this server. Default: the host of `publicUrl`. */
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  /** A few letters or an emoji in place of a logo. */
  logoText: Type.Optional(Type.String({ minLength: 1, maxLength: 8 })),
  /** What each scope allows, in words. */
  scopes: Type.Optional(Type.Record(Type.String(), Type.String())),
  /** Renders the page instead. */
  render: Type.Optional(callable<(details: ConsentDetails) => string | Promise<string>>())
}, {
  ...closed,
  description:
    "an object such as { name: 'Notes' }: the consent page cannot be switched off, as any client could use another one's login then"
})

export const OptionsSchema = Type.Object({
  /**
   * Revision of MCP authorization that the proxies follow: thin proxies for `'2025-03-26'`, the
   * broker for all later ones. Default
   * `'2026-07-28'`. Clients of every revision work with the broker.
   */
  version: Type.Optional(
    Type.Union([
      Type.Literal('2025-03-26'),
      Type.Literal('2025-06-18'),
      Type.Literal('2025-11-25'),
      Type.Literal('2026-07-28')
    ])
  ),
  /**
   * Checks run as `preHandler` hooks before the MCP route, in order. Each gets `(request, reply)`,
   * may return an identity that is merged into `request.mcpAuth`, and may throw; a 401 or 403
   * leaves with the challenge.
   */
  dependencies: Type.Optional(Type.Array(callable<Dependency>(), { minItems: 1 })),
  /** Issuer identifier of your OAuth or OpenID provider, byte for byte as its metadata has it. */
  issuer: Type.Optional(Type.String({ minLength: 1 })),
  /**
   * Full URL of the provider's metadata. Default: discovered from `issuer` (RFC 8414, then OpenID
   * Connect Discovery).
   */
  oauthMetadataUrl: Type.Optional(Type.String({ minLength: 1 })),
  /** The provider's authorization endpoint. May carry a query. Default: from its metadata. */
  authorizeUrl: Type.Optional(Type.String({ minLength: 1 })),
  /**
   * Audience asked of the provider when a client names none; tokens issued for it are accepted too.
   */
  audience: Type.Optional(Type.String({ minLength: 1 })),
  /** Scopes always asked of the provider. Default `'openid profile email'`. */
  defaultScope: Type.Optional(Type.String()),
  /** Our client id at the provider. Required with `setupProxies`. */
  clientId: Type.Optional(Type.String({ minLength: 1 })),
  /**
   * Our client secret at the provider. It is sent to the provider's token and revocation endpoints
   * and nowhere else.
   */
  clientSecret: Type.Optional(Type.String({ minLength: 1 })),
  /** A metadata document (RFC 8414) to serve as it is. Unset members are omitted, never `null`. */
  customOAuthMetadata: Type.Optional(OAuthMetadataSchema),
  /** Serve authorization endpoints of our own in front of the provider. Default `false`. */
  setupProxies: Type.Optional(Type.Boolean()),
  /**
   * With the proxies: answer dynamic client registration without registering anything at the
   * provider. Default `true`.
   */
  setupFakeDynamicRegistration: Type.Optional(Type.Boolean()),
  /**
   * Where the authorization server metadata is served. Default
   * `/.well-known/oauth-authorization-server`.
   */
  metadataPath: Type.Optional(
    path('/.well-known/oauth-authorization-server', '^/[^?#*:\\s]*[^?#*:\\s/]$')
  ),
  /**
   * Headers of the MCP request that tools made of routes receive. Never leaves the process. Default
   * `['authorization']`.
   */
  headers: Type.Optional(
    Type.Unsafe<readonly string[]>(
      Type.Array(
        Type.String({
          pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
          description: "a header name such as 'x-api-key'"
        })
      )
    )
  ),
  /**
   * Path below which everything of this registration lives, added to the prefix of the scope it is
   * registered in.
   */
  prefix: Type.Optional(path('/api', '^(/|(/[^/?#*:\\s]+)*)$')),
  /**
   * Origin, and path if a reverse proxy strips one, under which clients reach this app. Needed
   * unless it listens on loopback only.
   */
  publicUrl: Type.Optional(Type.String({ minLength: 1 })),
  /**
   * Seals what is handed out, and binds sessions to their callers: at least 32 bytes. Of several,
   * the first seals and all open, so that secrets can be rotated.
   */
  secret: Type.Optional(
    Type.Union([
      Type.String({ minLength: 32 }),
      Type.Array(Type.String({ minLength: 32 }), { minItems: 1 })
    ])
  ),
  /** Remembers what was used. Default: this process's memory, bounded. */
  store: Type.Optional(instance<Store>('putIfAbsent', 'get', 'put')),
  /**
   * How access tokens are verified. `'auto'` (default): the broker knows its own; else by the
   * `dependencies` when there are any, else as JWTs of `issuer`. Or a verifier, several that are
   * asked in order, or `false`.
   */
  tokens: Type.Optional(Type.Union([
    Type.Literal('auto'),
    Type.Literal(false),
    callable<TokenVerifier>(),
    Type.Array(callable<TokenVerifier>(), { minItems: 1 })
  ])),
  /**
   * Access tokens that are bound to a key of the client (RFC 9449). `'off'` (default): refused.
   * `'accept'`: good with a proof, beside bearer tokens. `'require'`: the only ones that are good.
   */
  dpop: Type.Optional(
    Type.Union([Type.Literal('off'), Type.Literal('accept'), Type.Literal('require')])
  ),
  /** Scopes this server knows beside `requiredScopes`. */
  scopes: Type.Optional(strings()),
  /** Scopes every caller of the MCP route needs. */
  requiredScopes: Type.Optional(strings()),
  /** Broader scope to the scopes it implies: `{ admin: ['read', 'write'] }`. */
  scopeHierarchy: Type.Optional(Type.Record(Type.String(), strings())),
  /** Patterns a client's redirect URI must match. Default: loopback, and any https address. */
  allowedRedirectUris: Type.Optional(strings()),
  /**
   * Web origins that may call the MCP route. Default: that of `publicUrl`, and loopback when bound
   * to loopback.
   */
  allowedOrigins: Type.Optional(strings()),
  /**
   * Values of the Host header the MCP route answers to. Default: that of `publicUrl`, and loopback
   * when bound to loopback.
   */
  allowedHosts: Type.Optional(strings()),
  /** Broker: decides who may have which scopes, after the login at the provider. */
  authorizeUser: Type.Optional(callable<AuthorizeUser>()),
  /**
   * Broker: let tools see the provider's access token as `request.mcpAuth.upstream`. Default
   * `false`.
   */
  upstreamToken: Type.Optional(Type.Boolean()),
  /** Broker: what the consent page shows. */
  consent: Type.Optional(ConsentOptionsSchema),
  /**
   * Broker: accept clients that are named by the URL of their metadata. Default `true`;
   * `allowedHosts` limits whose.
   */
  clientIdMetadata: Type.Optional(
    Type.Union([Type.Boolean(), Type.Object({ allowedHosts: strings() }, closed)])
  ),
  /**
   * Broker: clients that need not register. Those with a secret or a key may be machines, without
   * any user.
   */
  clients: Type.Optional(
    Type.Unsafe<readonly ClientOptions[]>(Type.Array(ClientSchema, { minItems: 1 }))
  ),
  /** Where the provider deviates from the standards. Presets fill it in. */
  provider: Type.Optional(
    Type.Unsafe<ProviderTraits>(Type.Object({}, { additionalProperties: true }))
  ),
  /**
   * Broker at the root: also answer at `/authorize`, `/token` and `/register`, for clients that
   * read no metadata. Default `false`.
   */
  legacyEndpoints: Type.Optional(Type.Boolean()),
  /**
   * The MCP route. Without `server`, `handler` and `tools` no route is added: protect your own with
   * `requireMcpAuth`.
   */
  mcp: Type.Optional(McpOptionsSchema),
  /** `false` is the only way to an unprotected MCP route. */
  auth: Type.Optional(Type.Literal(false)),
  /** The root Fastify instance, should it not be found by itself. */
  root: Type.Optional(instance<FastifyInstance>('route', 'hasRoute'))
}, closed)

/** What `app.register(mcpOAuth, options)` takes. */
export type McpOAuthOptions = Static<typeof OptionsSchema>

/**
 * The names of the options, and of those of `mcp`, `mcp.tools` and the entries of `clients` with a
 * dot.
 */
export const optionNames: readonly string[] = [
  ...Object.keys(OptionsSchema.properties),
  ...Object.keys(McpOptionsSchema.properties).map(name => `mcp.${name}`),
  ...Object.keys(ToolOptionsSchema.properties).map(name => `mcp.tools.${name}`),
  ...Object.keys(ClientSchema.properties).map(name => `clients.${name}`)
]
