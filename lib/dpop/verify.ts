import {
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  importJWK
} from 'jose'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { checkProof, proofIn, refused, requestUrl, type Proof } from './rules.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import type { VerifiedProof } from './verified-proof.ts'

/** What checking proofs takes. */
export interface ProofVerifierOptions {
  /** Where clients reach the app. */
  publicUrl: () => string
  /** Good nonces at a time, the one to hand out first. */
  nonces: (now: number) => readonly string[]
  /** Uses a proof up. True for exactly one caller. */
  once: (id: string) => Promise<boolean>
}

/**
 * Checks the DPoP proof of a request and uses it up (RFC 9449 §4.3). Resolves to the thumbprint of
 * the key it was made with (RFC 7638), or to null where there is none. If the client should use
 * another nonce from now on, the reply says so.
 *
 * @param bound the access token that came along and the key it is bound to; absent at the token
 *   endpoint
 * @throws {McpOAuthError} `invalidDpopProof`, `useDpopNonce`; `invalidToken` if it is the proof of
 *   another key than the token's; `storeUnavailable`
 */
export type DpopVerifier = (
  request: FastifyRequest,
  reply: FastifyReply,
  now: number,
  bound?: VerifiedProof
) => Promise<string | null>

export function createProofVerifier (
  { publicUrl, nonces, once }: ProofVerifierOptions
): DpopVerifier {
  return async (request, reply, now, bound) => {
    const compact = proofIn(request.raw.rawHeaders)
    if (compact === undefined) return null
    const [header, claims] = partsOf(compact)
    const good = nonces(now)
    if (claims['nonce'] !== good[0]) reply.header('dpop-nonce', good[0])
    const url = requestUrl(publicUrl(), request.raw.url ?? '')
    const proof = checkProof(header, claims, {
      method: request.method,
      url,
      nonces: good,
      accessToken: bound?.token
    })
    const key = await signerOf(compact, proof)
    if (bound !== undefined && key !== bound.key) {
      throw new McpOAuthError('invalidToken', {
        cause: new Error('the proof is of another key than the token')
      })
    }
    // Last, so that nothing is remembered of what was refused.
    // By what was signed alone: the path of a request has many spellings.
    if (!await once(`${key} ${proof.id}`)) throw refused('it was used before')
    return key
  }
}

function partsOf (
  compact: string
): [header: Record<string, unknown>, claims: Record<string, unknown>] {
  try {
    return [{ ...decodeProtectedHeader(compact) }, decodeJwt(compact)]
  } catch (error) {
    throw refused('it is not a signed JWT', error)
  }
}

async function signerOf (compact: string, { alg, jwk }: Proof): Promise<string> {
  try {
    await compactVerify(compact, await importJWK(jwk, alg), {
      algorithms: [...signatureAlgorithms]
    })
    return await calculateJwkThumbprint(jwk)
  } catch (error) {
    // The key is the client's as well: whatever is wrong with it is its fault.
    throw refused('its signature is wrong', error)
  }
}
