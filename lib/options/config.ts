import { randomBytes } from 'node:crypto'
import type {
  AuthorizeUser,
  Client,
  ConsentConfig,
  Dependency,
  Log,
  ProviderTraits,
  Store,
  TokenVerifier
} from '../types.ts'
import { startupError } from '../errors.ts'
import { customMetadata } from '../oauth/metadata.ts'
import { parseScope, type ScopeHierarchy } from '../oauth/scope.ts'
import { optionProblems } from './rules.ts'
import type { ClientOptions } from './client.ts'
import type { OAuthMetadata } from '../schemas/metadata.ts'
import type { FetchHandler, McpOAuthOptions, SdkServer, ToolOptions } from './schema.ts'
import { withCircuitBreaker } from '../store/circuit-breaker.ts'

/** How this registration takes part: see the table of modes in docs/architecture.md. */
export type Mode = 'open' | 'guard' | 'metadata' | 'resource' | 'thin' | 'broker'

/** The user's OAuth or OpenID provider, and what we are to it. */
export interface ProviderConfig {
  readonly issuer: string
  readonly metadataUrl: string | null
  readonly authorizeUrl: string | null
  readonly audience: string | null
  readonly defaultScopes: readonly string[]
  readonly clientId: string | null
  readonly clientSecret: string | null
  readonly traits: ProviderTraits
}

/** The MCP route. `serves` is null where the user brings the route. */
export interface McpConfig {
  readonly path: string
  readonly name: string
  readonly version: string
  readonly instructions: string | null
  readonly bodyLimit: number
  readonly toolScopes: NonNullable<McpOAuthOptions['mcp']>['toolScopes'] | null
  readonly serves:
    | { server: McpServerOption }
    | { handler: FetchHandler }
    | { tools: ToolOptions }
    | null
}
type McpServerOption = SdkServer | NonNullable<NonNullable<McpOAuthOptions['mcp']>['server']>

/** The options, checked, completed and frozen. Nothing else reads the options. */
export interface Config {
  readonly mode: Mode
  /** Prefix of the scope plus `options.prefix`: `''` or a path without a trailing slash. */
  readonly prefix: string
  /**
   * Where clients reach the app, without a trailing slash; null means loopback, known when the app
   * listens.
   */
  readonly publicUrl: string | null
  readonly metadataPath: string
  readonly provider: ProviderConfig | null
  readonly document: OAuthMetadata | null
  readonly registration: boolean
  readonly dependencies: readonly Dependency[]
  /**
   * What checks access tokens: the broker's own, JWTs of the provider, the user's verifiers, or no
   * one.
   */
  readonly tokens: 'own' | 'issuer' | 'none' | readonly TokenVerifier[]
  /**
   * Whether access tokens that are bound to a key are refused, accepted with a proof, or the only
   * ones accepted.
   */
  readonly dpop: 'off' | 'accept' | 'require'
  readonly requiredScopes: readonly string[]
  readonly knownScopes: readonly string[]
  readonly scopeHierarchy: ScopeHierarchy
  readonly allowedRedirectUris: readonly string[] | null
  readonly allowedOrigins: readonly string[] | null
  readonly allowedHosts: readonly string[] | null
  readonly secrets: readonly string[]
  readonly store: Store | null
  readonly authorizeUser: AuthorizeUser | null
  readonly upstreamToken: boolean
  readonly consent: ConsentConfig
  /** Whose metadata documents name clients; null where none do. */
  readonly clientIdMetadata: { readonly allowedHosts: readonly string[] | null } | null
  readonly clients: readonly Client[]
  readonly legacyEndpoints: boolean
  readonly headers: readonly string[]
  readonly mcp: McpConfig
}

const defaultMetadataPath = '/.well-known/oauth-authorization-server'

/**
 * Checks the options once and completes them. The caller's object is never changed.
 *
 * @param scopePrefix prefix of the Fastify scope the plugin was registered in
 * @throws McpOAuthError `FST_MCP_OAUTH_INVALID_OPTIONS` naming every problem
 */
export function createConfig (options: McpOAuthOptions, scopePrefix: string, log: Log): Config {
  const problems = optionProblems(options, process.env['NODE_ENV'] === 'production')
  if (/[:*]/.test(scopePrefix)) {
    problems.push(
      `prefix: the scope's '${scopePrefix}' has a parameter, but a protected resource is one URL. Register in a scope with a fixed prefix`
    )
  }
  if (options.legacyEndpoints && joinPaths(scopePrefix, options.prefix ?? '') !== '') {
    problems.push(
      'legacyEndpoints: only a registration without a prefix can answer at the root. Remove it, or the prefix'
    )
  }
  if (problems.length > 0) throw startupError('invalidOptions', ...problems)

  const route = options.mcp?.path ?? '/mcp'
  if (options.publicUrl && new URL(options.publicUrl).pathname.endsWith(route)) {
    log.warn(
      { option: 'publicUrl' },
      `publicUrl ends with ${route}, which is the path of the MCP route: give the address of the app, without it`
    )
  }
  const mode = modeOf(options)
  const { dpop = 'off' } = options
  const required = options.requiredScopes ?? []
  return Object.freeze({
    mode,
    prefix: joinPaths(scopePrefix, options.prefix ?? ''),
    publicUrl: options.publicUrl === undefined ? null : canonicalUrl(options.publicUrl),
    metadataPath: options.metadataPath ?? defaultMetadataPath,
    provider: options.issuer ? providerOf(options, options.issuer) : null,
    document: options.customOAuthMetadata
      ? customMetadata(options.customOAuthMetadata).document as OAuthMetadata
      : null,
    registration: options.setupFakeDynamicRegistration ?? true,
    dependencies: Object.freeze([...options.dependencies ?? []]),
    tokens: tokensOf(options, mode),
    dpop,
    requiredScopes: Object.freeze([...required]),
    knownScopes: Object.freeze([...new Set([...required, ...options.scopes ?? []])]),
    scopeHierarchy: Object.freeze({ ...options.scopeHierarchy }),
    allowedRedirectUris: options.allowedRedirectUris
      ? Object.freeze([...options.allowedRedirectUris])
      : null,
    allowedOrigins: options.allowedOrigins ? Object.freeze([...options.allowedOrigins]) : null,
    allowedHosts: options.allowedHosts ? Object.freeze([...options.allowedHosts]) : null,
    secrets: mode === 'thin' || mode === 'broker'
      ? secretsOf(options, log)
      : Object.freeze([options.secret ?? (dpop === 'off' ? [] : randomSecret())].flat()),
    store: options.store ? withCircuitBreaker(options.store) : null,
    authorizeUser: options.authorizeUser ?? null,
    upstreamToken: options.upstreamToken ?? false,
    consent: Object.freeze({ ...options.consent }),
    clientIdMetadata: clientIdMetadataOf(options),
    clients: (options.clients ?? []).map(clientOf),
    legacyEndpoints: options.legacyEndpoints ?? false,
    headers: Object.freeze((options.headers ?? ['authorization']).map(name => name.toLowerCase())),
    mcp: mcpOf(options.mcp)
  })
}

function modeOf (options: McpOAuthOptions): Mode {
  if (options.setupProxies) return options.version === '2025-03-26' ? 'thin' : 'broker'
  if (options.customOAuthMetadata) return 'metadata'
  if (options.issuer) return 'resource'
  return options.auth === false ? 'open' : 'guard'
}

function clientIdMetadataOf (
  { clientIdMetadata: option = true }: McpOAuthOptions
): Config['clientIdMetadata'] {
  if (option === false) return null
  return Object.freeze({
    allowedHosts: option === true ? null : Object.freeze([...option.allowedHosts])
  })
}

function clientOf ({ clientId: id, name, redirectUris = [], ...more }: ClientOptions): Client {
  return structuredClone({ id, name: name ?? null, redirectUris, ...more })
}

function tokensOf (
  { auth, tokens = 'auto', dependencies, issuer }: McpOAuthOptions,
  mode: Mode
): Config['tokens'] {
  if (auth === false || tokens === false) return 'none'
  if (typeof tokens === 'function') return Object.freeze([tokens])
  if (Array.isArray(tokens)) return Object.freeze([...tokens])
  if (mode === 'broker') return 'own'
  return dependencies || !issuer ? 'none' : 'issuer'
}

function providerOf (options: McpOAuthOptions, issuer: string): ProviderConfig {
  return Object.freeze({
    issuer,
    metadataUrl: options.oauthMetadataUrl ?? null,
    authorizeUrl: options.authorizeUrl ?? null,
    audience: options.audience ?? null,
    defaultScopes: Object.freeze(parseScope(options.defaultScope ?? 'openid profile email')),
    clientId: options.clientId ?? null,
    clientSecret: options.clientSecret ?? null,
    traits: Object.freeze({ ...options.provider })
  })
}

function mcpOf (mcp: McpOAuthOptions['mcp'] = {}): McpConfig {
  return Object.freeze({
    path: mcp.path ?? '/mcp',
    name: mcp.name ?? 'fastify-mcp',
    version: mcp.version ?? '1.0.0',
    instructions: mcp.instructions ?? null,
    bodyLimit: mcp.bodyLimit ?? 4 * 1024 * 1024,
    toolScopes: mcp.toolScopes ?? null,
    serves: mcp.server
      ? { server: mcp.server }
      : mcp.handler
      ? { handler: mcp.handler }
      : mcp.tools
      ? { tools: mcp.tools === true ? {} : { ...mcp.tools } }
      : null
  })
}

function secretsOf (options: McpOAuthOptions, log: Log): readonly string[] {
  if (options.secret) return Object.freeze([options.secret].flat())
  // Whoever registers gets something sealed, and could try passwords on it for as long as they
  // like.
  if (options.clientSecret && options.clientSecret.length >= 32) {
    log.info(
      { option: 'secret' },
      'secret is derived from clientSecret: changing that one makes clients register anew'
    )
    return Object.freeze([`derived from the client secret: ${options.clientSecret}`])
  }
  const why = options.clientSecret ? ', as clientSecret has fewer than 32 characters' : ''
  log.info(
    { option: 'secret' },
    `secret is random${why}: clients register anew after a restart. Give at least 32 random bytes: openssl rand -base64 32`
  )
  return Object.freeze([randomSecret()])
}

function randomSecret (): string {
  return randomBytes(32).toString('base64url')
}

/**
 * Scheme and host in lower case, no default port, no slash at the end: what we publish about
 * ourselves has one spelling.
 */
function canonicalUrl (publicUrl: string): string {
  const { origin, pathname } = new URL(publicUrl)
  return origin + pathname.replace(/\/+$/, '')
}

function joinPaths (scope: string, own: string): string {
  return [scope, own].map(path => path.replace(/\/+$/, '')).join('')
}
