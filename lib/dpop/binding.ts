/** Was an access token sent in the way that its binding to a key requires? */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { McpAuth } from '../types.ts'
import { failure } from '../errors.ts'
import type { Scheme } from '../oauth/bearer.ts'
import { boundKeyOf, invalidProof } from './rules.ts'
import type { DpopVerifier, VerifiedProof } from './verifier.ts'

/** The check of sender-constrained tokens at a guard. */
export type TokenBinding = ReturnType<typeof createTokenBinding>

const schemes = { off: ['Bearer'], accept: ['Bearer', 'DPoP'], require: ['DPoP'] } as const

/** @param verifier null if bound tokens are rejected */
export function createTokenBinding (mode: keyof typeof schemes, verifier: DpopVerifier | null) {
  return {
    /** Accepted authentication schemes. Credentials of any other are ignored. */
    schemes: schemes[mode],
    /**
     * Requires the scheme `DPoP` and a proof for bound tokens, and `Bearer` for others (RFC 9449
     * §7.1 and §7.2).
     *
     * @param now seconds since 1970
     * @throws {McpOAuthError} `invalidToken`, and those of {@link DpopVerifier}
     */
    async verify (
      { claims = {} }: McpAuth,
      { token, scheme }: { token: string, scheme: Scheme },
      request: FastifyRequest,
      reply: FastifyReply,
      now: number
    ): Promise<void> {
      const key = boundKeyOf(claims)
      if (key === undefined && scheme === 'Bearer') return
      if (key === undefined) {
        throw failure('invalidToken', 'The access token is not bound to a key')
      }
      if (verifier === null || key === null || scheme === 'Bearer') {
        throw failure(
          'invalidToken',
          'A sender-constrained token was not sent with the DPoP scheme'
        )
      }
      const verified = verifiedProofs.get(request)
      if (verified?.token === token && verified.key === key) return
      if (await verifier(request, reply, now, { token, key }) === null) {
        throw invalidProof('there is none')
      }
      verifiedProofs.set(request, { token, key })
    }
  }
}

/**
 * The proof that was verified for a request. A proof is valid once: later guards of the request
 * read it here.
 */
export const verifiedProofs = new WeakMap<FastifyRequest, VerifiedProof>()
