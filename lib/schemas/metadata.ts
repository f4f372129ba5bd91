/** Which members do the published metadata documents have? */
import type { Static } from '@sinclair/typebox'
import { Type } from './type.ts'

const text = Type.String({ minLength: 1 })
const optionalText = Type.Optional(text)
const strings = Type.Array(text, { minItems: 1 })
const optionalStrings = Type.Optional(strings)
const flag = Type.Optional(Type.Boolean())

/**
 * Metadata of an authorization server (RFC 8414 §2). Members beyond these are allowed and published
 * as they are.
 */
export const OAuthMetadataSchema = Type.Object({
  /** Authorization server's issuer identifier: https, without query and fragment. Required. */
  issuer: text,
  /** Authorization endpoint URL. Required for the `authorization_code` grant. */
  authorization_endpoint: optionalText,
  /** Token endpoint URL. Required. */
  token_endpoint: text,
  /** Supported OAuth scopes. Defaults to `['openid', 'profile', 'email']`. */
  scopes_supported: optionalStrings,
  /** Supported response types. Defaults to `['code']`. */
  response_types_supported: optionalStrings,
  /**
   * Supported grant types. Defaults to `['authorization_code', 'client_credentials']`, without an
   * authorization endpoint to the latter.
   */
  grant_types_supported: optionalStrings,
  /** Supported client authentication methods of the token endpoint. Defaults to `['none']`. */
  token_endpoint_auth_methods_supported: optionalStrings,
  /** Supported PKCE code challenge methods. Defaults to `['S256']`. */
  code_challenge_methods_supported: optionalStrings,
  /** Client registration endpoint URL (RFC 7591). */
  registration_endpoint: optionalText,
  /** URL of the signing keys. */
  jwks_uri: optionalText,
  /** Revocation endpoint URL (RFC 7009). */
  revocation_endpoint: optionalText,
  /** Introspection endpoint URL (RFC 7662). */
  introspection_endpoint: optionalText,
  /** Whether authorization responses carry `iss` (RFC 9207). */
  authorization_response_iss_parameter_supported: flag,
  /** Whether URLs of metadata documents are accepted as client ids. */
  client_id_metadata_document_supported: flag
}, { additionalProperties: true })

/** Metadata of an authorization server (RFC 8414 §2). */
export interface OAuthMetadata extends Static<typeof OAuthMetadataSchema> {
  [extension: string]: unknown
}

/** Metadata of a protected resource (RFC 9728 §2). */
export const ProtectedResourceMetadataSchema = Type.Object({
  /** The resource: the URL of the MCP route. */
  resource: text,
  /** Issuers of the authorization servers whose tokens are accepted. */
  authorization_servers: strings,
  /** Scopes a client needs to begin with. Never `offline_access`. */
  scopes_supported: optionalStrings,
  /** How tokens are sent. Always `['header']`. */
  bearer_methods_supported: optionalStrings,
  /** Name for people. */
  resource_name: optionalText
}, { additionalProperties: true })

/** Metadata of a protected resource (RFC 9728 §2). */
export interface ProtectedResourceMetadata extends Static<typeof ProtectedResourceMetadataSchema> {
  [extension: string]: unknown
}
