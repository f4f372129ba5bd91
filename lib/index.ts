import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { plugin } from './plugin.ts'
import type { McpOAuthOptions } from './schemas/options.ts'

/** OAuth for the MCP server of a Fastify app: `await app.register(mcpOAuth, options)`. */
export const mcpOAuth: FastifyPluginAsync<McpOAuthOptions> = fp(plugin as FastifyPluginAsync<McpOAuthOptions>, { name: 'fastify-mcp-oauth', fastify: '5.x' })
export default mcpOAuth

// What they add to Fastify's types.
export type {} from './decorators.ts'
export type {} from './mcp/tools.ts'
export type {} from './routes/seal.ts'

export { McpOAuthError } from './errors.ts'
export type { ErrorDetails, ErrorKind } from './errors.ts'
export type {
  AuthorizeUser, AuthorizeVerdict, ConsentConfig, ConsentDetails, Dependency, FetchJson, Log, McpAuth, ProviderTraits, Store, TokenVerifier, UpstreamAccess, UpstreamUser, VerifyContext
} from './contracts.ts'
export type { Guard, GuardOptions } from './guard.ts'
export type { Registration, Registry } from './registry.ts'
export { jwtVerifier } from './token/jwt.ts'
export type { JwtVerifierOptions } from './token/jwt.ts'
export { introspectionVerifier } from './token/introspection.ts'
export type { IntrospectionVerifierOptions } from './token/introspection.ts'
export type { McpOAuthOptions, ToolOptions } from './schemas/options.ts'
export { OAuthMetadataSchema, ProtectedResourceMetadataSchema } from './schemas/metadata.ts'
export type { OAuthMetadata, ProtectedResourceMetadata } from './schemas/metadata.ts'
export { ClientRegistrationRequestSchema, ClientRegistrationResponseSchema } from './schemas/registration.ts'
export type { ClientRegistrationRequest, ClientRegistrationResponse } from './schemas/registration.ts'
