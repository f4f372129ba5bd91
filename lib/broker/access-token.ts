import { randomBytes } from 'node:crypto'
import type { SigningKeys } from '../crypto/signing-keys.ts'

/** What an access token of ours says (RFC 9068 §2.2). */
export interface AccessTokenContent {
  readonly issuer: string
  /** The user; a machine is its own subject. */
  readonly subject: string
  readonly clientId: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** What it was issued under, and ends with. */
  readonly grant: string
  /** Thumbprint of the key it is bound to (RFC 9449 §6.1). */
  readonly key?: string | undefined
  /** Further claims, of which none may decide. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** The provider's token, sealed. */
  readonly upstream?: string
}

/** The answer of the token endpoint (RFC 6749 §5.1). */
export interface TokenResponse {
  readonly access_token: string
  readonly token_type: 'Bearer' | 'DPoP'
  readonly expires_in: number
  readonly refresh_token?: string
  readonly scope?: string
}

/** Signs an access token, and writes the answer that hands it out. Its lifetime is in seconds. */
export async function issueAccessToken (
  signing: SigningKeys,
  content: AccessTokenContent,
  lifetime: number,
  now: number
): Promise<TokenResponse> {
  const { issuer, subject, clientId, resource, scopes, grant, key, claims, upstream } = content
  const seconds = Math.floor(now)
  const scope = scopes.length > 0 && { scope: scopes.join(' ') }
  const accessToken = await signing.sign({
    ...claims,
    iss: issuer,
    sub: subject,
    aud: resource,
    client_id: clientId,
    ...scope,
    iat: seconds,
    exp: seconds + lifetime,
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

/** 128 random bits. */
export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
