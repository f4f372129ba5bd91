import { randomBytes } from 'node:crypto'
import { formatScope } from '../oauth/scope.ts'
import type { SigningKeys } from './signing.ts'

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

/** Signs an access token. Its lifetime is in seconds. */
export async function signAccessToken (signing: SigningKeys, content: AccessTokenContent, lifetime: number, now: number): Promise<string> {
  const { issuer, subject, clientId, resource, scopes, grant, key, claims, upstream } = content
  const seconds = Math.floor(now)
  return await signing.sign({
    ...claims,
    iss: issuer,
    sub: subject,
    aud: resource,
    client_id: clientId,
    ...(scopes.length > 0 && { scope: formatScope(scopes) }),
    iat: seconds,
    exp: seconds + lifetime,
    jti: randomId(),
    gid: grant,
    ...(key !== undefined && { cnf: { jkt: key } }),
    ...(upstream !== undefined && { upt: upstream })
  })
}

/** 128 random bits. */
export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
