/** Does a request carry a valid DPoP proof, and the one that its access token requires? */

import { createHmac } from 'node:crypto'
import type { JWK } from 'jose'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { deriveKey } from '../crypto/derive-key.ts'
import { loadJose } from '../crypto/jose.ts'
import { isSignatureValid } from '../crypto/verify-signature.ts'
import { failure } from '../errors.ts'
import {
  maxKnownProofKeys,
  maxStoredProofs,
  nonceSeconds,
  nonceSkewSeconds
} from '../limits.ts'
import type { Scheme } from '../oauth/bearer.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import type { Config } from '../options/config.ts'
import { memoryStore } from '../store/memory.ts'
import { createOneTimeMarks } from '../store/one-time.ts'
import type { SingleUse } from '../store/single-use.ts'
import type { McpAuth } from '../types.ts'
import { hash } from '../util/hash.ts'
import { parseJsonObject } from '../util/json.ts'
import { boundKeyOf, checkProof, invalidProof, proofHeader, requestUrl } from './rules.ts'

/** An access token and the thumbprint of its key, whose possession was proven (RFC 9449 §7.1). */
export interface VerifiedProof {
  token: string
  key: string
}

/**
 * The proof that was verified for a request. A proof is valid once: later guards of the request
 * read it here.
 */
export const verifiedProofs = new WeakMap<FastifyRequest, VerifiedProof>()

const schemes = { off: ['Bearer'], accept: ['Bearer', 'DPoP'], require: ['DPoP'] } as const

/** Creates the check of how access tokens are sent to the MCP route. */
export function createTokenBinding (config: Config, urls: () => { publicUrl: string }) {
  const verifier = createDpopVerifier(config, urls, 'resource')
  return {
    /** Accepted authentication schemes. Credentials of any other are ignored. */
    schemes: schemes[config.dpop],
    /**
     * Requires the scheme `DPoP` and a proof for bound tokens, and `Bearer` for others (RFC 9449
     * §7.1 and §7.2).
     *
     * @param now seconds since 1970
     * @returns a promise only if there is a proof to verify
     * @throws {McpOAuthError} `invalidToken`, and those of {@link createDpopVerifier}
     */
    verify (
      { claims = {} }: McpAuth,
      { token, scheme }: { token: string, scheme: Scheme },
      request: FastifyRequest,
      reply: FastifyReply,
      now: number
    ) {
      const key = boundKeyOf(claims)
      if (key === undefined) {
        if (scheme === 'Bearer') return
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
      return verifyProof(request, reply, now, { token, key })
    }
  }

  async function verifyProof (
    request: FastifyRequest,
    reply: FastifyReply,
    now: number,
    bound: VerifiedProof
  ) {
    const proof = await verifier?.(request, reply, now, bound)
    if (!proof) throw invalidProof('there is none')
    const { marks, kind, id, ttl, used } = proof.use
    if (!await marks.consume(kind, id, ttl)) throw used()
    verifiedProofs.set(request, bound)
  }
}

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
  const noncesAt = createNonces(secrets)
  // A client sends the same header with all its proofs, so that its key is imported once.
  const knownKeys = new LRUCache<string, KnownKey>({
    // The option max would reserve the memory of all entries at once.
    maxSize: maxKnownProofKeys,
    sizeCalculation: () => 1
  })
  /**
   * Verifies the DPoP proof of a request (RFC 9449 §4.3), which the caller marks as used. Puts a
   * newer nonce on the reply if there is one.
   *
   * @param now seconds since 1970
   * @param bound the access token of the request and its key; absent at the token endpoint
   * @returns the thumbprint of the key (RFC 7638) and the mark of the proof, or null for a request
   *   without a proof
   * @throws {McpOAuthError} `invalidDpopProof`, `useDpopNonce`; `invalidToken` for a proof of
   *   another key than the token's
   */
  return async (
    request: FastifyRequest,
    reply: FastifyReply,
    now: number,
    bound?: VerifiedProof
  ) => {
    const compact = proofHeader(request.raw.rawHeaders)
    if (compact === undefined) return null
    const [encodedHeader = '', encodedClaims = '', signature = ''] = compact.split('.')
    const known = knownKeys.get(encodedHeader)
    const header = known?.header ?? decode(encodedHeader)
    const claims = decode(encodedClaims)
    const token = bound?.token
    const isSameToken = known !== undefined && known.token === token
    const tokenHash = isSameToken ? known.tokenHash : token && hash(token)
    const nonces = noncesAt(now)
    if (claims['nonce'] !== nonces[0]) reply.header('dpop-nonce', nonces[0])
    const { alg, jwk, id } = checkProof(header, claims, {
      method: request.method,
      url: requestUrl(urls().publicUrl, request.raw.url ?? ''),
      nonces,
      tokenHash,
      isKnownKey: known !== undefined
    })
    if (known) {
      const signed = `${encodedHeader}.${encodedClaims}`
      const isValid = isSignatureValid(
        alg,
        known.imported,
        signed,
        Buffer.from(signature, 'base64url')
      )
      if (!isValid) throw invalidProof('its signature is invalid')
    }
    const { key, imported } = known ?? await verifySignature(compact, jwk, alg)
    if (bound !== undefined && key !== bound.key) {
      throw failure('invalidToken', 'The DPoP proof is of another key than the access token')
    }
    // At the token endpoint, anyone can send proofs.
    if (bound !== undefined && !isSameToken) {
      knownKeys.set(encodedHeader, { header, key, imported, token, tokenHash })
    }
    // Only of valid proofs: others fill no store. The URL is not in the id: it has many spellings.
    const use: SingleUse = {
      marks,
      kind: 'proof',
      id: `${key} ${id}`,
      ttl: nonceLifetime,
      used: () => invalidProof('it was used before')
    }
    return { key, use }
  }
}

/** The key of a client, which sent a valid proof, and how it is imported. */
interface KnownKey {
  header: Record<string, unknown>
  key: string
  imported: unknown
  /** Its last access token. */
  token: string | undefined
  tokenHash: string | undefined
}

function decode (part: string) {
  const members = parseJsonObject(Buffer.from(part, 'base64url').toString())
  if (members === null) throw invalidProof('it is not a signed JWT')
  return members
}

/**
 * Not by `jwtVerify` and `EmbeddedJWK`: they accept other spellings of `typ`, and reject proofs
 * with an `exp`, or with a key whose `alg` is `EdDSA` where the header has `Ed25519`.
 */
async function verifySignature (compact: string, jwk: JWK, alg: string) {
  const { calculateJwkThumbprint, compactVerify, importJWK } = await loadJose()
  try {
    const imported = await importJWK(jwk, alg)
    await compactVerify(compact, imported, { algorithms: [...signatureAlgorithms] })
    return { key: await calculateJwkThumbprint(jwk), imported }
  } catch (error) {
    throw invalidProof('its signature is invalid', error)
  }
}

/** Seconds in which some instance accepts a nonce, from the first that accepts it to the last. */
export const nonceLifetime = 2 * (nonceSeconds + nonceSkewSeconds)

/**
 * Makes nonces for DPoP proofs (RFC 9449 §8 and §9). No nonce is stored: all instances and
 * registrations with the same secret accept the same nonces, because clients keep one per origin.
 * A nonce is handed out for one period and valid for one more, so that a client which keeps calling
 * always has a valid one.
 *
 * @returns a function that returns the nonces that are valid at a time (seconds since 1970), the
 *   current one first
 */
export function createNonces (secrets: readonly string[]) {
  const keys = secrets.map(secret => deriveKey(secret, 'nonce'))
  let last = { state: '', nonces: [] as readonly string[] }
  return (now: number) => {
    const times = [now, now - nonceSeconds, now + nonceSkewSeconds]
    const periods = new Set(times.map(time => Math.floor(time / nonceSeconds)))
    const state = [...periods].join()
    if (state === last.state) return last.nonces
    const nonces = keys.flatMap(key =>
      [...periods].map(period =>
        createHmac('sha256', key).update(String(period)).digest('base64url').slice(0, 22)
      )
    )
    last = { state, nonces }
    return nonces
  }
}
