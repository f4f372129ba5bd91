import type { FastifyReply, FastifyRequest } from 'fastify'
import type { McpAuth } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import type { Scheme } from '../oauth/bearer.ts'
import { boundKeyOf, refused } from './rules.ts'
import { setVerifiedProof, verifiedProofOf } from './verified-proof.ts'
import type { DpopVerifier } from './verify.ts'

/** Who may use a token: whoever has it, or whoever has the key it is bound to. */
export interface TokenBinding {
  /** Authentication schemes that are understood. Any other is as no credentials. */
  readonly schemes: readonly Scheme[]
  /**
   * Lets the caller of a good token pass, if the token came as it has to: bound ones with the
   * scheme `DPoP` and a proof, others as `Bearer` (RFC 9449 §7.1 and §7.2).
   *
   * @throws {McpOAuthError} `invalidToken`, and those of {@link DpopVerifier}
   */
  verify(
    caller: McpAuth,
    sent: { token: string, scheme: Scheme },
    request: FastifyRequest,
    reply: FastifyReply,
    now: number
  ): Promise<void>
}

/** @param check null where tokens that are bound to a key are refused */
export function createTokenBinding (
  mode: 'off' | 'accept' | 'require',
  check: DpopVerifier | null
): TokenBinding {
  return {
    schemes: mode === 'off' ? ['Bearer'] : mode === 'accept' ? ['Bearer', 'DPoP'] : ['DPoP'],
    async verify ({ claims = {} }, { token, scheme }, request, reply, now) {
      const key = boundKeyOf(claims)
      if (key === undefined && scheme === 'Bearer') return
      if (check === null || key === null || key === undefined || scheme === 'Bearer') {
        throw new McpOAuthError('invalidToken', {
          cause: new Error(
            key === undefined
              ? 'the token is not bound to a key'
              : 'the token is bound to a key, and did not come as that'
          )
        })
      }
      const proven = verifiedProofOf(request)
      if (proven?.token === token && proven.key === key) return
      if (await check(request, reply, now, { token, key }) === null) throw refused('there is none')
      setVerifiedProof(request, { token, key })
    }
  }
}
