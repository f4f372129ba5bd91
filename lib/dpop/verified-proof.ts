import type { FastifyRequest } from 'fastify'

/**
 * A token, and the thumbprint of the key it is bound to: whoever sent a request has proven to have
 * that key (RFC 9449 §7.1).
 */
export interface VerifiedProof {
  readonly token: string
  readonly key: string
}

const proofs = new WeakMap<FastifyRequest, VerifiedProof>()

/**
 * Notes what was proven with a request. A proof counts once: guards that come later on the same
 * request go by this.
 */
export function setVerifiedProof (request: FastifyRequest, proof: VerifiedProof): void {
  proofs.set(request, proof)
}

export function verifiedProofOf (request: FastifyRequest): VerifiedProof | undefined {
  return proofs.get(request)
}
