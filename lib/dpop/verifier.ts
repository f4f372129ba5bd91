/** Does a request carry a valid DPoP proof, and of which key? */

import {
  calculateJwkThumbprint,
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  type JWK
} from 'jose'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { failure } from '../errors.ts'
import { maxStoredProofs } from '../limits.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import type { Config } from '../options/config.ts'
import { memoryStore } from '../store/memory.ts'
import { createOneTimeMarks } from '../store/one-time.ts'
import { createNonces, nonceLifetime } from './nonces.ts'
import { checkProof, invalidProof, proofHeader, requestUrl } from './rules.ts'

/** An access token and the thumbprint of its key, whose possession was proven (RFC 9449 §7.1). */
export interface VerifiedProof {
  token: string
  key: string
}

/** The verifier of DPoP proofs at one place. */
export type DpopVerifier = NonNullable<ReturnType<typeof createDpopVerifier>>

/**
 * Creates the verifier of one place, or returns null if the option `dpop` is off. Nonces are valid
 * at both places. Used proofs are stored apart: anyone can send proofs to the token endpoint, and
 * must not push those of the MCP route out of memory.
 */
export function createDpopVerifier (
  { dpop, store, secrets }: Pick<Config, 'dpop' | 'store' | 'secrets'>,
  urls: () => { publicUrl: string },
  place: 'resource' | 'token'
) {
  if (dpop === 'off') return null
  const marks = createOneTimeMarks(store ?? memoryStore({ max: maxStoredProofs }), `dpop ${place}`)
  const nonces = createNonces(secrets)
  /**
   * Verifies the DPoP proof of a request and marks it as used (RFC 9449 §4.3). Puts a newer nonce
   * on the reply if there is one.
   *
   * @param now seconds since 1970
   * @param bound the access token of the request and its key; absent at the token endpoint
   * @returns the thumbprint of the key (RFC 7638), or null for a request without a proof
   * @throws {McpOAuthError} `invalidDpopProof`, `useDpopNonce`; `invalidToken` for a proof of
   *   another key than the token's; `storeUnavailable`
   */
  return async (
    request: FastifyRequest,
    reply: FastifyReply,
    now: number,
    bound?: VerifiedProof
  ): Promise<string | null> => {
    const compact = proofHeader(request.raw.rawHeaders)
    if (compact === undefined) return null
    const { header, claims } = decode(compact)
    const valid = nonces(now)
    if (claims['nonce'] !== valid[0]) reply.header('dpop-nonce', valid[0])
    const { alg, jwk, id } = checkProof(header, claims, {
      method: request.method,
      url: requestUrl(urls().publicUrl, request.raw.url ?? ''),
      nonces: valid,
      accessToken: bound?.token
    })
    const key = await verifySignature(compact, jwk, alg)
    if (bound !== undefined && key !== bound.key) {
      throw failure('invalidToken', 'The DPoP proof is of another key than the access token')
    }
    // Last, so that rejected proofs fill no store. The URL is not in the id: it has many spellings.
    if (!await marks.consume('proof', `${key} ${id}`, nonceLifetime)) {
      throw invalidProof('it was used before')
    }
    return key
  }
}

function decode (compact: string) {
  try {
    return { header: { ...decodeProtectedHeader(compact) }, claims: decodeJwt(compact) }
  } catch (error) {
    throw invalidProof('it is not a signed JWT', error)
  }
}

/**
 * Not by `jwtVerify` and `EmbeddedJWK`: they accept other spellings of `typ`, and reject proofs
 * with an `exp`, or with a key whose `alg` is `EdDSA` where the header has `Ed25519`.
 */
async function verifySignature (compact: string, jwk: JWK, alg: string): Promise<string> {
  try {
    await compactVerify(compact, await importJWK(jwk, alg), {
      algorithms: [...signatureAlgorithms]
    })
    return await calculateJwkThumbprint(jwk)
  } catch (error) {
    throw invalidProof('its signature is invalid', error)
  }
}
