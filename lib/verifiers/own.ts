import type { JWTVerifyGetKey } from 'jose'
import type { McpAuth, TokenVerifier, UpstreamAccess } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { jwtVerifier } from './jwt.ts'

/** What verifying an access token of our own takes. */
export interface OwnTokenOptions {
  issuer: () => string
  keys: JWTVerifyGetKey
  /** Whether a grant was ended. */
  isRevoked: (grant: string) => Promise<boolean>
  /** Opens the provider's token that is sealed into ours; null where tools do not get it. */
  openUpstream: ((sealed: string, now: number) => Promise<UpstreamAccess | null>) | null
}

/**
 * Verifies access tokens that this server issued (RFC 9068). Signature, type, issuer, audience and
 * time need nobody else; whether the grant was ended is asked of the store.
 */
export function ownVerifier (
  { issuer, keys, isRevoked, openUpstream }: OwnTokenOptions
): TokenVerifier {
  const set = { get: async () => keys, refresh: async () => keys, peek: () => keys }
  // Where the port is known only once the app listens, so is the issuer.
  let known: { issuer: string, verify: TokenVerifier } | undefined
  const verifier = () => {
    const current = issuer()
    if (known?.issuer !== current) {
      known = {
        issuer: current,
        verify: jwtVerifier({
          issuer: current,
          keys: set,
          algorithms: ['ES256'],
          requireSubject: true
        })
      }
    }
    return known.verify
  }
  return async function own (token, context) {
    const caller = await verifier()(token, context)
    if (caller === null) return null
    const { gid: grant, upt: sealed, ...claims } = caller.claims ?? {}
    if (typeof grant !== 'string' || await isRevoked(grant)) throw new McpOAuthError('invalidToken')
    const upstream = openUpstream !== null && typeof sealed === 'string'
      ? await openUpstream(sealed, context.now)
      : null
    const shown: McpAuth = { ...caller, claims }
    return upstream === null ? shown : { ...shown, upstream }
  }
}
