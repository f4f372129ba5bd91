/** Which claims does an access token of the broker contain? */

import { randomBytes } from 'node:crypto'
import type { SigningKeys } from '../crypto/signing-keys.ts'

/** The content that all tokens of a grant share. Part of the sealed refresh token. */
export interface GrantContent {
  /** Id of the grant: its tokens are revoked together. */
  readonly grant: string
  /** The user. A client without a user is its own subject (RFC 9068 §2.2). */
  readonly subject: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** Further claims, from `authorizeUser`. They never contain those that this package sets. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Thumbprint of the key that the tokens are bound to (RFC 9449 §5). */
  readonly key?: string | undefined
}

/** The response of the token endpoint (RFC 6749 §5.1). Sealed for the grace period of a refresh. */
export interface TokenResponse {
  readonly access_token: string
  readonly token_type: 'Bearer' | 'DPoP'
  readonly expires_in: number
  readonly refresh_token?: string
  readonly scope?: string
}

/** The properties of an access token that its grant does not have. */
interface AccessTokenOptions {
  issuer: string
  clientId: string
  /** In seconds. */
  lifetime: number
  /** Seconds since 1970. */
  now: number
  /** The provider's access token, sealed. Defaults to none. */
  upstream?: string
}

/** Signs an access token (RFC 9068 §2.2) and returns the response that contains it. */
export async function issueAccessToken (
  signing: SigningKeys,
  { grant, subject, resource, scopes, claims, key }: GrantContent,
  { issuer, clientId, lifetime, now, upstream }: AccessTokenOptions
): Promise<TokenResponse> {
  const iat = Math.floor(now)
  const scope = scopes.length > 0 && { scope: scopes.join(' ') }
  const accessToken = await signing.sign({
    ...claims,
    iss: issuer,
    sub: subject,
    aud: resource,
    client_id: clientId,
    ...scope,
    iat,
    exp: iat + lifetime,
    jti: randomId(),
    gid: grant,
    ...(key !== undefined && { cnf: { jkt: key } }),
    ...(upstream !== undefined && { upt: upstream })
  })
  return {
    access_token: accessToken,
    token_type: key === undefined ? 'Bearer' : 'DPoP',
    expires_in: lifetime,
    ...scope
  }
}

/** Returns 128 random bits, in base64url. */
export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
