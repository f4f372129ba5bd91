import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { plugin } from './plugin.ts'
import type { McpOAuthOptions } from './options/schema.ts'

/** OAuth for the MCP server of a Fastify app: `await app.register(mcpOAuth, options)`. */
export const mcpOAuth: FastifyPluginAsync<McpOAuthOptions> = fp(plugin, {
  name: 'fastify-mcp-oauth',
  fastify: '^5.8.5 || ^6.0.0-0'
})
export default mcpOAuth

// These modules augment Fastify's types.
export type {} from './mcp/tools/candidates.ts'
export type {} from './host/isolate.ts'

export { McpOAuthError, type ErrorCode, type ErrorDetails, type ErrorKind } from './errors.ts'
export type {
  Actor,
  AuthorizeUser,
  AuthorizeVerdict,
  Dependency,
  FetchJson,
  Log,
  McpAuth,
  ProviderTraits,
  Store,
  StoreIndex,
  TokenVerifier,
  UpstreamAccess,
  UpstreamUser,
  UserClaims,
  VerifyContext
} from './types.ts'
export type {
  EventClient,
  EventContext,
  EventDetails,
  EventOf,
  EventType,
  McpOAuthEvent
} from './events/table.ts'
export type { ApplicationsOptions, GrantFilter, GrantPage, UserGrant } from './guard/grants.ts'
export type { Guard, GuardOptions } from './guard/guard.ts'
export type { Health } from './http/condition.ts'
export type { RegistrationHealth } from './host/health.ts'
export type { McpOAuthRegistration, Registry } from './guard/registrations.ts'
export type { RevocationFilter } from './guard/revoke.ts'
export { jwtVerifier, type JwtVerifierOptions } from './verifiers/jwt.ts'
export {
  introspectionVerifier,
  type IntrospectionVerifierOptions
} from './verifiers/introspection.ts'
export type { ConsentConfig } from './options/consent.ts'
export type { ConsentDetails, ErrorPageDetails } from './options/page-details.ts'
export type { Messages, PartialMessages } from './pages/messages/en.ts'
export type { AuthorizeTool, NamedRoute, ToolOptions, ToolVerdict } from './options/mcp.ts'
export type { McpOAuthOptions } from './options/schema.ts'
export {
  OAuthMetadataSchema,
  ProtectedResourceMetadataSchema,
  type OAuthMetadata,
  type ProtectedResourceMetadata
} from './schemas/metadata.ts'
export {
  ClientRegistrationRequestSchema,
  ClientRegistrationResponseSchema,
  type ClientRegistrationRequest,
  type ClientRegistrationResponse
} from './schemas/registration.ts'
