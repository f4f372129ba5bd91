/** How are access tokens of our own authorization server verified? */
import type { JWTVerifyGetKey } from 'jose'
import { McpOAuthError } from '../errors.ts'
import type { TokenVerifier, UpstreamAccess } from '../types.ts'
import { jwtVerifier } from './jwt.ts'

/** Issuer, keys and revocations of our tokens. */
export interface OwnTokenOptions {
  issuer: () => string
  keys: JWTVerifyGetKey
  /** Whether a grant was revoked. */
  isRevoked: (grant: string) => Promise<boolean>
  /** Opens the provider's token that is sealed into ours. Null if tools do not receive it. */
  openUpstream: ((sealed: string, now: number) => Promise<UpstreamAccess | null>) | null
}

/**
 * Creates a verifier of access tokens that this server issued (RFC 9068). It checks signature,
 * type, issuer, audience and time by itself, and asks the store whether the grant was revoked.
 */
export function ownVerifier (
  { issuer, keys, isRevoked, openUpstream }: OwnTokenOptions
): TokenVerifier {
  const set = { get: async () => keys, refresh: async () => keys, peek: () => keys }
  // Without publicUrl, the issuer contains the port, which is known once the app listens.
  let current: TokenVerifier | undefined
  const verifier = () => {
    if (current?.issuer !== issuer()) {
      current = jwtVerifier({
        issuer: issuer(),
        keys: set,
        algorithms: ['ES256'],
        requireSubject: true
      })
    }
    return current
  }
  return async function own (token, context) {
    const caller = await verifier()(token, context)
    if (caller === null) return null
    const { gid: grant, upt: sealed, ...claims } = caller.claims ?? {}
    if (typeof grant !== 'string' || await isRevoked(grant)) throw new McpOAuthError('invalidToken')
    const upstream = typeof sealed === 'string' && await openUpstream?.(sealed, context.now)
    return { ...caller, claims, ...(upstream && { upstream }) }
  }
}
