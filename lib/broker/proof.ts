/** To which key are the tokens of a token request bound? */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { invalidProof } from '../dpop/rules.ts'
import { McpOAuthError } from '../errors.ts'
import type { Broker } from './broker.ts'

/**
 * Verifies the DPoP proof of a token request (RFC 9449 §5).
 *
 * @returns the thumbprint of its key, or undefined for bearer tokens
 * @throws {McpOAuthError} `invalidDpopProof` and `useDpopNonce`, with status 400;
 *   `storeUnavailable`
 */
export async function proofKeyOf (
  { config, checkProof }: Broker,
  request: FastifyRequest,
  reply: FastifyReply,
  now: number
): Promise<string | undefined> {
  try {
    const key = await checkProof?.(request, reply, now)
    if (key === null && config.dpop === 'require') throw invalidProof('there is none')
    return key ?? undefined
  } catch (error) {
    if (!(error instanceof McpOAuthError) || error.statusCode !== 401) throw error
    throw new McpOAuthError(error.kind, { statusCode: 400, cause: error.cause })
  }
}
