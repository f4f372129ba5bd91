/** Which options does the plugin take, with which defaults? */
import type { Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { McpOAuthEvent } from '../events/table.ts'
import { closeTimeoutSeconds, maxCloseTimeoutSeconds, minSecretChars } from '../limits.ts'
import { redirectPatternProblem } from '../oauth/redirect-uri.ts'
import { OAuthMetadataSchema, type OAuthMetadata } from '../schemas/metadata.ts'
import { Type } from '../schemas/type.ts'
import type { Dependency, ProviderTraits, Store, TokenVerifier } from '../types.ts'
import { brokerOptions, RateLimitsSchema } from './broker.ts'
import {
  callable,
  checked,
  closed,
  flag,
  fromEnv,
  host,
  instance,
  issuer,
  list,
  oneOf,
  optional,
  origin,
  path,
  requiredScopes,
  scope,
  scopeString,
  seconds,
  setting,
  text,
  url,
  withDefault,
  type WithNulls
} from './fields.ts'
import { ExchangeSchema } from './exchange.ts'
import { McpOptionsSchema } from './mcp.ts'

const secret = Type.String({ minLength: minSecretChars })

const dependency = checked(callable<Dependency>(), ({ length }) =>
  length > 2
    ? `takes ${length} arguments instead of (request, reply). Return a promise instead of calling done`
    : null)

export const OptionsSchema = Type.Object({
  /**
   * Revision of MCP authorization that the proxies follow: thin proxies for `'2025-03-26'`, the
   * broker for all later ones. Default `'2026-07-28'`. Clients of every revision work with the
   * broker.
   */
  version: withDefault(
    '2026-07-28',
    oneOf('2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28')
  ),
  /**
   * Checks run as `preHandler` hooks before the MCP route, in order. Each gets `(request, reply)`,
   * may return an identity that is merged into `request.mcpAuth`, and may throw; a 401 or 403
   * is sent with the challenge.
   */
  dependencies: withDefault([], list(dependency)),
  /** Issuer identifier of your OAuth or OpenID provider, byte for byte as its metadata has it. */
  issuer: fromEnv(issuer),
  /**
   * Full URL of the provider's metadata. Default: discovered from `issuer` (RFC 8414, then OpenID
   * Connect Discovery).
   */
  oauthMetadataUrl: fromEnv(url()),
  /** The provider's authorization endpoint. May carry a query. Default: from its metadata. */
  authorizeUrl: fromEnv(url()),
  /**
   * Audience requested from the provider when a client names none; tokens issued for it are
   * accepted too.
   */
  audience: fromEnv(text),
  /** Scopes always requested from the provider. Default `'openid profile email'`. */
  defaultScope: withDefault('openid profile email', scopeString),
  /** Our client id at the provider. Required with `setupProxies`. */
  clientId: fromEnv(setting),
  /**
   * Our client secret at the provider. It is sent to the provider's token and revocation endpoints
   * and nowhere else.
   */
  clientSecret: fromEnv(setting),
  /** A metadata document (RFC 8414) to serve as it is, without members that are unset or `null`. */
  customOAuthMetadata: optional(
    Type.Unsafe<WithNulls<OAuthMetadata>>({ ...OAuthMetadataSchema, omitsNull: true })
  ),
  /** Serve authorization endpoints of our own in front of the provider. Default `false`. */
  setupProxies: withDefault(false, flag),
  /**
   * With the proxies: accept dynamic client registration without registering anything at the
   * provider. Default `true`.
   */
  setupFakeDynamicRegistration: withDefault(true, flag),
  /**
   * Path of the authorization server metadata. Default `/.well-known/oauth-authorization-server`.
   */
  metadataPath: withDefault(
    '/.well-known/oauth-authorization-server',
    path('/.well-known/oauth-authorization-server', '^/[^?#*:\\s]*[^?#*:\\s/]$')
  ),
  /**
   * Headers of the MCP request that tools made of routes receive. They never leave the process.
   * Default `['authorization']`.
   */
  headers: withDefault(
    ['authorization'],
    list(
      Type.String({
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        description: "a header name such as 'x-api-key'"
      }),
      { minItems: 0 }
    )
  ),
  /**
   * Path below which all routes of this registration live, added to the prefix of the scope it is
   * registered in.
   */
  prefix: withDefault('', path('/api', '^(/|(/[^/?#*:\\s]+)*)$')),
  /**
   * Origin, and path if a reverse proxy strips one, under which clients reach this app. Needed
   * unless it listens on loopback only.
   */
  publicUrl: withDefault(null, fromEnv(url({ query: false }))),
  /**
   * Encrypts the values that clients and browsers keep, and binds sessions to their callers: at
   * least 32 bytes. Of several, the first encrypts and all decrypt: so secrets are rotated.
   */
  secret: fromEnv(Type.Union([secret, Type.Array(secret, { minItems: 1 })])),
  /** Remembers one-time values and revocations. Default: this process's memory, bounded. */
  store: withDefault(
    null,
    instance<Store>('putIfAbsent, get, put', 'redisStore(client) or an')
  ),
  /**
   * How access tokens are verified. `'auto'` (default): by the broker, which issued them; else by
   * the `dependencies` if there are any; else as JWTs of `issuer`. Or a verifier, several that are
   * called in order, or `false`.
   */
  tokens: withDefault(
    'auto',
    Type.Union([
      Type.Literal('auto'),
      Type.Literal(false),
      callable<TokenVerifier>(),
      list(callable<TokenVerifier>())
    ])
  ),
  /**
   * Sender-constrained access tokens (DPoP, RFC 9449). `'off'` (default): rejected. `'accept'`:
   * valid with a proof, beside bearer tokens. `'require'`: the only valid ones.
   */
  dpop: withDefault('off', oneOf('off', 'accept', 'require')),
  /** Scopes of this server beside `requiredScopes`. */
  scopes: withDefault([], list(scope, { minItems: 0 })),
  /** Scopes every caller of the MCP route needs. */
  requiredScopes: withDefault([], requiredScopes),
  /** Broader scope to the scopes it implies: `{ admin: ['read', 'write'] }`. */
  scopeHierarchy: withDefault({}, Type.Record(Type.String(), list(scope))),
  /** Patterns a client's redirect URI must match. Default: loopback, and any https address. */
  allowedRedirectUris: withDefault(null, list(checked(text, redirectPatternProblem))),
  /**
   * Web origins that may call the MCP route. Default: that of `publicUrl`, and loopback when bound
   * to loopback.
   */
  allowedOrigins: withDefault(null, list(origin)),
  /**
   * Values of the Host header that the MCP route accepts. Default: that of `publicUrl`, and
   * loopback when bound to loopback.
   */
  allowedHosts: withDefault(null, list(host)),
  /**
   * Requests that one address (IPv6: /64) may send in a minute to the endpoints of registration
   * and login. At those for tokens only refused ones count. Default 3000 each. `false`: any number.
   */
  rateLimits: withDefault({}, Type.Union([Type.Literal(false), RateLimitsSchema])),
  /**
   * Seconds that `app.close()` waits for running tool calls and OAuth requests. Default 10.
   */
  closeTimeout: withDefault(closeTimeoutSeconds, seconds(0, maxCloseTimeoutSeconds)),
  /**
   * Called with each event, such as a login or the call of a tool (docs/events.md). Its result is
   * not awaited, and no request fails with it.
   */
  onEvent: withDefault(null, callable<(event: McpOAuthEvent) => unknown>()),
  /** Members left out of events and of the lines of this plugin in the log. Default: none. */
  redact: withDefault([], list(oneOf('subject', 'address'), { minItems: 0 })),
  ...brokerOptions,
  /** APIs for which `request.mcpAuth.tokenFor(name)` obtains access tokens as the caller. */
  exchange: withDefault(null, Type.Record(Type.String(), ExchangeSchema)),
  /** Deviations of the provider from the standards. Presets fill it in. */
  provider: withDefault(
    {},
    Type.Unsafe<ProviderTraits>(Type.Object({}, { additionalProperties: true }))
  ),
  /**
   * The MCP route. Without `server`, `handler` and `tools` no route is added: protect your own with
   * `requireMcpAuth`.
   */
  mcp: withDefault({}, McpOptionsSchema),
  /** `false` is the only way to an unprotected MCP route. */
  auth: optional(
    checked(Type.Unsafe<false>(Type.Unknown()), value =>
      value === false
        ? null
        : 'can only be false, which switches all checks off. Leave it out to have callers checked')
  ),
  /** The root Fastify instance, in case the plugin cannot find it. */
  root: optional(instance<FastifyInstance>('route, hasRoute'))
}, closed)

/** All options, without the rules below. */
export interface AllOptions extends Static<typeof OptionsSchema> {}

interface WithAuth extends AllOptions {
  auth?: never
}

/** `auth: false` excludes `tokens`: nothing is verified. */
interface WithoutTokens extends AllOptions {
  tokens?: false
}

/** `setupProxies` requires `clientId`: the proxies are a client of the provider. */
type ProxiesNeedClientId = { setupProxies?: false } | { clientId: string | undefined }

/** Options of `app.register(mcpOAuth, options)`. */
export type McpOAuthOptions = (WithAuth | WithoutTokens) & ProxiesNeedClientId
