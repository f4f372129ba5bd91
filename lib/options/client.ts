/** Which clients does the operator list by hand, so that they need not register? */
import { Type, type Static } from '@sinclair/typebox'
import { maxClientProofs, maxDisplayNameChars, maxListedClientIdChars } from '../limits.ts'
import { publicKeyProblem } from '../oauth/public-keys.ts'
import { grantTypes } from '../types.ts'
import { checked, closed, list, oneOf, scope, text } from './fields.ts'

const secretHash = Type.String({
  pattern: '^sha256:[A-Za-z0-9_-]{43}$',
  description: "the hash of a secret: 'sha256:' and its SHA-256 in base64url"
})
const publicKey = checked(
  Type.Unsafe<object>(Type.Object({}, { additionalProperties: true })),
  publicKeyProblem
)

export const ClientSchema = Type.Object({
  /** The id the client is configured with. */
  clientId: Type.String({ minLength: 1, maxLength: maxListedClientIdChars }),
  /** Name of the client on the consent page. */
  name: Type.Optional(Type.String({ minLength: 1, maxLength: maxDisplayNameChars })),
  /** Its redirect URIs. Required with the grant type `authorization_code`. */
  redirectUris: Type.Optional(list(text)),
  /**
   * `sha256:` and the SHA-256, in base64url, of its secret; several while secrets are being
   * replaced.
   */
  secretHashes: Type.Optional(list(secretHash, { maxItems: maxClientProofs })),
  /** Its public keys as a JWK set: it signs assertions (`private_key_jwt`) and has no secret. */
  jwks: Type.Optional(Type.Object({
    keys: Type.Array(publicKey, { minItems: 1, maxItems: maxClientProofs })
  }, closed)),
  /**
   * Grant types it may use. Default `['authorization_code', 'refresh_token']`.
   * `'client_credentials'` is for machines, which need a secret or a key.
   */
  grantTypes: Type.Optional(
    list(oneOf(...grantTypes))
  ),
  /**
   * Scopes it may have at most, as a machine and for its users. Default: as a machine
   * `requiredScopes`, for its users the scopes that any client may have.
   */
  scopes: Type.Optional(list(scope))
}, closed)

/** A client that need not register. */
export interface ClientOptions extends Static<typeof ClientSchema> {}
