/** Do the types fit the code of users? Never run: `tsc -p test` is the test. */
import { generateKeyPairSync } from 'node:crypto'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type onRequestHookHandler,
  type preHandlerHookHandler
} from 'fastify'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
import { createMcpHandler, McpServer as McpServer2 } from '@modelcontextprotocol/server'
import { expectTypeOf } from 'expect-type'
import type { JWK } from 'jose'
import defaultExport, {
  jwtVerifier,
  mcpOAuth,
  McpOAuthError,
  type ApplicationsOptions,
  type ClientRegistrationRequest,
  type Dependency,
  type ErrorKind,
  type GrantFilter,
  type GrantPage,
  type Guard,
  type GuardOptions,
  type McpAuth,
  type McpOAuthOptions,
  type OAuthMetadata,
  type ProtectedResourceMetadata,
  type McpOAuthRegistration,
  type RegistrationHealth,
  type Registry,
  type RevocationFilter,
  type Store,
  type StoreIndex,
  type TokenVerifier,
  type ToolOptions,
  type UserClaims,
  type UserGrant
} from '../../lib/index.ts'
import { auth0 } from '../../lib/providers/index.ts'

const app = Fastify()
const options: McpOAuthOptions = { issuer: 'https://id.example' }

// Registering
expectTypeOf(defaultExport).toEqualTypeOf(mcpOAuth)
await app.register(mcpOAuth, options)
await app.register(mcpOAuth, {
  ...options,
  prefix: '/api',
  logLevel: 'warn',
  logSerializers: { secret: () => '' }
})
await app.register(mcpOAuth, () => options)
await app.register(import('../../lib/index.ts'), options)
// @ts-expect-error there is no such option
await app.register(mcpOAuth, { ...options, wat: 1 })
// @ts-expect-error snake_case is the seed's
await app.register(mcpOAuth, { client_id: 'x' })
// @ts-expect-error auth can only be false
await app.register(mcpOAuth, { auth: true })
// @ts-expect-error the proxies need a clientId
await app.register(mcpOAuth, { ...options, setupProxies: true })
// @ts-expect-error auth: false excludes tokens
await app.register(mcpOAuth, { auth: false, tokens: jwtVerifier({ issuer: 'https://id.example' }) })
// @ts-expect-error not a log level
await app.register(mcpOAuth, { ...options, logLevel: 'loud' })

// Options that go together
// @ts-expect-error the proxies need a clientId
export const proxiesWithoutClient: McpOAuthOptions = { ...options, setupProxies: true }
// @ts-expect-error auth: false excludes tokens
export const openWithTokens: McpOAuthOptions = { auth: false, tokens: 'auto' }
const isProxy: boolean = Boolean(process.env['PROXY'])
// @ts-expect-error the proxies need a clientId, if there may be any
export const maybeWithoutClient: McpOAuthOptions = { ...options, setupProxies: isProxy }
export const combinations: McpOAuthOptions[] = [
  { ...options, setupProxies: true, clientId: process.env['CLIENT_ID'] },
  { ...options, setupProxies: isProxy, clientId: 'server' },
  { ...options, setupProxies: false },
  { ...auth0({ domain: 'tenant.eu.auth0.com', clientId: 'server' }), setupProxies: true },
  { auth: false },
  { auth: false, tokens: false },
  { tokens: async () => null }
]
/** An app may complete its own options. */
export const completed = (more: McpOAuthOptions): McpOAuthOptions => ({
  issuer: 'https://id.example',
  setupProxies: true,
  clientId: 'server',
  ...more
})

// Options
expectTypeOf<McpOAuthOptions['version']>().toEqualTypeOf<
  '2025-03-26' | '2025-06-18' | '2025-11-25' | '2026-07-28' | undefined
>()
expectTypeOf<McpOAuthOptions['dependencies']>().toEqualTypeOf<readonly Dependency[] | undefined>()
expectTypeOf<McpOAuthOptions['tokens']>().toEqualTypeOf<
  'auto' | false | TokenVerifier | readonly TokenVerifier[] | undefined
>()
expectTypeOf<McpOAuthOptions['store']>().toEqualTypeOf<Store | undefined>()
expectTypeOf<McpOAuthOptions['secret']>().toEqualTypeOf<string | string[] | undefined>()
expectTypeOf<McpOAuthOptions['auth']>().toEqualTypeOf<false | undefined>()
expectTypeOf<McpOAuthOptions['scopeHierarchy']>().toEqualTypeOf<
  Record<string, readonly string[]> | undefined
>()
expectTypeOf<OAuthMetadata['token_endpoint']>().toEqualTypeOf<string>()
expectTypeOf<OAuthMetadata['authorization_endpoint']>().toEqualTypeOf<string | undefined>()
expectTypeOf<ProtectedResourceMetadata['authorization_servers']>().toEqualTypeOf<string[]>()
expectTypeOf<ClientRegistrationRequest['redirect_uris']>().toEqualTypeOf<string[]>()
expectTypeOf<ToolOptions['includeTags']>().toEqualTypeOf<readonly string[] | undefined>()
export const fixed: McpOAuthOptions = {
  scopes: ['a'],
  requiredScopes: ['b'],
  headers: ['x'],
  allowedOrigins: ['null'],
  allowedHosts: ['a.example'],
  allowedRedirectUris: ['https:'],
  clients: [{
    clientId: 'a',
    redirectUris: ['https://a.example'],
    grantTypes: ['authorization_code'],
    scopes: ['a']
  }]
} as const
// @ts-expect-error token_endpoint is required
export const incomplete: McpOAuthOptions = { customOAuthMetadata: { issuer: 'https://as.example' } }

// Clients without a registration
const key = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
export const clients: McpOAuthOptions = {
  clients: [
    { clientId: 'desktop', redirectUris: ['http://127.0.0.1/callback'] },
    {
      clientId: 'job',
      secretHashes: ['sha256:…'],
      grantTypes: ['client_credentials'],
      scopes: ['read']
    },
    { clientId: 'signer', jwks: { keys: [key, {} as JWK] }, grantTypes: ['client_credentials'] }
  ]
}
// @ts-expect-error the secret itself is not for the configuration
export const secretInTheClear: McpOAuthOptions = { clients: [{ clientId: 'job', secret: 'x' }] }

// The kinds of MCP servers
const build = () => new McpServer({ name: 'n', version: '1.0.0' })
export const servers: McpOAuthOptions[] = [
  { ...options, mcp: { server: build() } },
  { ...options, mcp: { server: build().server } },
  { ...options, mcp: { server: build } },
  {
    ...options,
    mcp: {
      server: async (request) => {
        expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
        return build()
      }
    }
  },
  {
    ...options,
    mcp: { handler: createMcpHandler(() => new McpServer2({ name: 'n', version: '1.0.0' })) }
  },
  { ...options, mcp: { handler: { fetch: async (request) => Response.json(request.url) } } },
  { ...options, mcp: { tools: true } },
  { ...options, mcp: { tools: { includeTags: ['public'], describeAllResponses: true } } }
]
// @ts-expect-error not a server
export const notServer: McpOAuthOptions = { mcp: { server: {} } }

// The caller
expectTypeOf<McpAuth>().toExtend<AuthInfo>()
expectTypeOf<FastifyRequest['mcpAuth']>().toEqualTypeOf<McpAuth | null>()
expectTypeOf<McpAuth['subject']>().toEqualTypeOf<string | undefined>()
expectTypeOf<McpAuth['scopes']>().toEqualTypeOf<string[]>()
expectTypeOf<Dependency>().parameters.toEqualTypeOf<[FastifyRequest, FastifyReply]>()
export const dependencies: Dependency[] = [
  () => {},
  async () => ({ userId: 1 }),
  (request) => ({ id: request.id }),
  async (_request, reply) => await reply.code(402).send()
]

// Guards
expectTypeOf(app.requireMcpAuth).toBeCallableWith()
expectTypeOf(app.requireMcpAuth).toBeCallableWith({ scopes: ['read'], prefix: '/api' })
expectTypeOf(app.requireMcpAuth).returns.toEqualTypeOf<Guard>()
expectTypeOf<GuardOptions['scopes']>().toEqualTypeOf<readonly string[] | undefined>()
expectTypeOf<Guard>().toExtend<onRequestHookHandler>()
expectTypeOf<Guard>().toExtend<preHandlerHookHandler>()
// @ts-expect-error a list is expected
app.requireMcpAuth({ scopes: 'read' })
app.get('/own', {
  onRequest: app.requireMcpAuth(),
  schema: { operationId: 'own', tags: ['public'] }
}, async (request) => request.mcpAuth?.subject)
app.get('/other', {
  preHandler: [app.requireMcpAuth({ scopes: ['read'] })],
  config: { mcpOAuth: { public: true } }
}, async ({ routeOptions }) => routeOptions.config.mcpOAuth?.public)

// The registrations
expectTypeOf(app.mcpOAuth).toEqualTypeOf<McpOAuthRegistration>()
expectTypeOf(app.mcpOAuthRegistry).toEqualTypeOf<Registry>()
expectTypeOf<McpOAuthRegistration>().toEqualTypeOf<
  {
    readonly prefix: string
    readonly resource: string
    readonly issuer: string | null
    readonly metadataUrl: string | null
    health(): Promise<RegistrationHealth>
    revoke(filter: RevocationFilter): Promise<void>
    grants(filter?: GrantFilter): Promise<GrantPage>
    connectedApplications(options: ApplicationsOptions): (app: FastifyInstance) => Promise<void>
  }
>()
expectTypeOf(app.mcpOAuth.revoke({ issuedBefore: new Date() })).toEqualTypeOf<Promise<void>>()
// @ts-expect-error false would be a mistake
app.mcpOAuth.revoke({ all: false })
expectTypeOf<GrantPage>().toEqualTypeOf<
  { readonly grants: readonly UserGrant[], readonly cursor: string | null }
>()
expectTypeOf<UserGrant['since' | 'lastUsed']>().toEqualTypeOf<number>()
// @ts-expect-error a user who is not known must not list those of all
await app.mcpOAuth.grants({ subject: undefined })
expectTypeOf<Store['index']>().toEqualTypeOf<StoreIndex | undefined>()
// @ts-expect-error read-only
app.mcpOAuth.prefix = ''

// Verifiers and errors
expectTypeOf(jwtVerifier({ issuer: 'https://id.example', audience: ['a'] })).toEqualTypeOf<
  TokenVerifier
>()
expectTypeOf<TokenVerifier>().returns.resolves.toEqualTypeOf<McpAuth | null>()
// @ts-expect-error the issuer is required
jwtVerifier({})
expectTypeOf(new McpOAuthError('invalidToken')).toExtend<
  Error & { code: string, statusCode: number, error: string }
>()
expectTypeOf<'invalidToken'>().toExtend<ErrorKind>()
expectTypeOf<'FST_MCP_OAUTH_INVALID_DPOP_PROOF'>().toExtend<McpOAuthError['code']>()
// @ts-expect-error not a code of the table
export const unknownCode: McpOAuthError['code'] = 'FST_MCP_OAUTH_DUPLICATE'
expectTypeOf<UserClaims['email']>().toEqualTypeOf<string | undefined>()
export const unset: McpOAuthOptions = {
  issuer: undefined,
  clientId: undefined,
  clientSecret: undefined,
  secret: undefined,
  publicUrl: undefined
}
// @ts-expect-error not a line of the table
export const unknownError = new McpOAuthError('nonsense')
