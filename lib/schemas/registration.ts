/** Which members does a client registration have? */
import type { Static } from '@sinclair/typebox'
import { Type } from './type.ts'

const text = Type.String()
const optionalText = Type.Optional(text)
const strings = Type.Array(text)
const uris = Type.Array(Type.String({ maxLength: 2048 }), { minItems: 1, maxItems: 10 })
const applicationType = Type.Optional(Type.Union([Type.Literal('web'), Type.Literal('native')]))

/**
 * Request of dynamic client registration (RFC 7591 §2). Members that are not listed are accepted
 * and have no effect.
 */
export const ClientRegistrationRequestSchema = Type.Object({
  /** Redirect URIs of the client, which receive authorization codes. */
  redirect_uris: uris,
  /** Human-readable name of the client, at most 100 characters. It is shown as unverified. */
  client_name: Type.Optional(Type.String({ maxLength: 100 })),
  /** OAuth grant types the client will use. Default `['authorization_code']`. */
  grant_types: Type.Optional(Type.Array(text, { default: ['authorization_code'] })),
  /** Response types the client will use. Default `['code']`. */
  response_types: Type.Optional(Type.Array(text, { default: ['code'] })),
  /**
   * How the client authenticates at the token endpoint. All registered clients are public: the
   * response always has `none`.
   */
  token_endpoint_auth_method: Type.Optional(Type.String({ default: 'none' })),
  /** Whether the client is a web page or a native program (OpenID Connect Registration §2). */
  application_type: applicationType,
  /** Whether the client wants sender-constrained tokens only (RFC 9449 §5.2). */
  dpop_bound_access_tokens: Type.Optional(Type.Boolean()),
  /** Scopes the client may ask for, separated by spaces. */
  scope: optionalText
}, {
  $id: 'ClientRegistrationRequest',
  title: 'ClientRegistrationRequest',
  additionalProperties: true
})

/** Request of dynamic client registration (RFC 7591 §2). */
export type ClientRegistrationRequest = Static<typeof ClientRegistrationRequestSchema>

/** The registered client (RFC 7591 §3.2.1). */
export const ClientRegistrationResponseSchema = Type.Object({
  /** The client's identifier. */
  client_id: text,
  /** When it was issued, in seconds since 1970. */
  client_id_issued_at: Type.Integer(),
  /** Never issued by this package: all clients are public. */
  client_secret: optionalText,
  /** When the secret expires, in seconds since 1970; 0 for never. Present only beside a secret. */
  client_secret_expires_at: Type.Optional(Type.Integer()),
  /** The registered redirect URIs. */
  redirect_uris: uris,
  /** The grant types the client may use. */
  grant_types: strings,
  /** The response types the client may use. */
  response_types: Type.Optional(strings),
  /** How the client authenticates at the token endpoint. */
  token_endpoint_auth_method: text,
  /** Human-readable name of the client. */
  client_name: text,
  /** Whether the client is a web page or a native program. */
  application_type: applicationType,
  /** Whether the client gets sender-constrained tokens only, if it sent this member. */
  dpop_bound_access_tokens: Type.Optional(Type.Boolean()),
  /** Scopes the client may ask for, separated by spaces. */
  scope: optionalText
}, {
  $id: 'ClientRegistrationResponse',
  title: 'ClientRegistrationResponse',
  additionalProperties: false
})

/** The registered client (RFC 7591 §3.2.1). */
export type ClientRegistrationResponse = Static<typeof ClientRegistrationResponseSchema>
