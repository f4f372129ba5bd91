import { Type, type Static } from '@sinclair/typebox'
import type { GrantType } from '../types.ts'

/** A list of texts, none of them empty, nor the list. */
export const strings = () =>
  Type.Unsafe<readonly string[]>(Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }))
/** Of an object that may have no other members. */
export const closed = { additionalProperties: false }

export const ClientSchema = Type.Object({
  /** The id the client is configured with. */
  clientId: Type.String({ minLength: 1, maxLength: 400 }),
  /** What the consent page calls it. */
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  /** Where it may be sent. Needed with `authorization_code`. */
  redirectUris: Type.Optional(strings()),
  /**
   * `sha256:` and the SHA-256, in base64url, of its secret; of several while secrets are being
   * replaced.
   */
  secretHashes: Type.Optional(Type.Unsafe<readonly string[]>(Type.Array(
    Type.String({
      pattern: '^sha256:[A-Za-z0-9_-]{43}$',
      description: "the hash of a secret: 'sha256:' and its SHA-256 in base64url"
    }),
    { minItems: 1, maxItems: 10 }
  ))),
  /**
   * Its public keys, as a JWK set: then it signs assertions (`private_key_jwt`) and has no secret.
   */
  jwks: Type.Optional(Type.Object({
    keys: Type.Array(Type.Unsafe<object>(Type.Object({}, { additionalProperties: true })), {
      minItems: 1,
      maxItems: 10
    })
  }, closed)),
  /**
   * What it may ask for. Default `['authorization_code', 'refresh_token']`. `'client_credentials'`
   * is for machines, which need a secret or a key.
   */
  grantTypes: Type.Optional(Type.Unsafe<readonly GrantType[]>(Type.Array(
    Type.Union([
      Type.Literal('authorization_code'),
      Type.Literal('refresh_token'),
      Type.Literal('client_credentials')
    ]),
    { minItems: 1 }
  ))),
  /**
   * The most it may have, as a machine and for its users. Default: as a machine `requiredScopes`,
   * for its users what every client may have.
   */
  scopes: Type.Optional(strings())
}, closed)

/** A client that need not register. */
export type ClientOptions = Static<typeof ClientSchema>
