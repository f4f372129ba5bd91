/** Which members do the published metadata documents have? */
import { Type } from '@sinclair/typebox'
import type { Static } from '@sinclair/typebox'

const strings = Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })

/**
 * Metadata of an authorization server (RFC 8414 §2). Members beyond these are allowed and published
 * as they are.
 */
export const OAuthMetadataSchema = Type.Object({
  /** Authorization server's issuer identifier: https, without query and fragment. Required. */
  issuer: Type.String({ minLength: 1 }),
  /** Authorization endpoint URL. Required for the `authorization_code` grant. */
  authorization_endpoint: Type.Optional(Type.String({ minLength: 1 })),
  /** Token endpoint URL. Required. */
  token_endpoint: Type.String({ minLength: 1 }),
  /** Supported OAuth scopes. Defaults to `['openid', 'profile', 'email']`. */
  scopes_supported: Type.Optional(strings),
  /** Supported response types. Defaults to `['code']`. */
  response_types_supported: Type.Optional(strings),
  /**
   * Supported grant types. Defaults to `['authorization_code', 'client_credentials']`, without an
   * authorization endpoint to the latter.
   */
  grant_types_supported: Type.Optional(strings),
  /** Supported client authentication methods of the token endpoint. Defaults to `['none']`. */
  token_endpoint_auth_methods_supported: Type.Optional(strings),
  /** Supported PKCE code challenge methods. Defaults to `['S256']`. */
  code_challenge_methods_supported: Type.Optional(strings),
  /** Client registration endpoint URL (RFC 7591). */
  registration_endpoint: Type.Optional(Type.String({ minLength: 1 })),
  /** URL of the signing keys. */
  jwks_uri: Type.Optional(Type.String({ minLength: 1 })),
  /** Revocation endpoint URL (RFC 7009). */
  revocation_endpoint: Type.Optional(Type.String({ minLength: 1 })),
  /** Introspection endpoint URL (RFC 7662). */
  introspection_endpoint: Type.Optional(Type.String({ minLength: 1 })),
  /** Whether authorization responses carry `iss` (RFC 9207). */
  authorization_response_iss_parameter_supported: Type.Optional(Type.Boolean()),
  /** Whether URLs of metadata documents are accepted as client ids. */
  client_id_metadata_document_supported: Type.Optional(Type.Boolean())
}, { additionalProperties: true })

/** Metadata of an authorization server (RFC 8414 §2). */
export interface OAuthMetadata extends Static<typeof OAuthMetadataSchema> {
  [extension: string]: unknown
}

/** Metadata of a protected resource (RFC 9728 §2). */
export const ProtectedResourceMetadataSchema = Type.Object({
  /** The resource: the URL of the MCP route. */
  resource: Type.String({ minLength: 1 }),
  /** Issuers of the authorization servers whose tokens are accepted. */
  authorization_servers: strings,
  /** Scopes a client needs to begin with. Never `offline_access`. */
  scopes_supported: Type.Optional(strings),
  /** How tokens are sent. Always `['header']`. */
  bearer_methods_supported: Type.Optional(strings),
  /** Name for people. */
  resource_name: Type.Optional(Type.String({ minLength: 1 }))
}, { additionalProperties: true })

/** Metadata of a protected resource (RFC 9728 §2). */
export interface ProtectedResourceMetadata extends Static<typeof ProtectedResourceMetadataSchema> {
  [extension: string]: unknown
}
