import type { FastifyReply, FastifyRequest } from 'fastify'
import { McpOAuthError } from '../errors.ts'
import { invalidProof } from '../dpop/rules.ts'
import type { Broker } from './broker.ts'

/**
 * The thumbprint of the key a token request proves to have, which its tokens will be bound to (RFC
 * 9449 §5); `undefined` for bearer tokens.
 *
 * @throws McpOAuthError `invalidDpopProof` and `useDpopNonce`, as 400; `storeUnavailable`
 */
export async function proofKeyOf (
  { config, checkProof }: Broker,
  request: FastifyRequest,
  reply: FastifyReply,
  now: number
): Promise<string | undefined> {
  if (checkProof === null) return undefined
  try {
    const key = await checkProof(request, reply, now)
    if (key === null && config.dpop === 'require') throw invalidProof('there is none')
    return key ?? undefined
  } catch (error) {
    if (!(error instanceof McpOAuthError) || error.statusCode !== 401) throw error
    throw new McpOAuthError(error.kind, { statusCode: 400, cause: error.cause })
  }
}
