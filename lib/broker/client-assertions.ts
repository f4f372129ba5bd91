/** Is a signed client assertion valid, and used for the first time? */

import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import type { JSONWebKeySet, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import { failure, McpOAuthError } from '../errors.ts'
import { assertionSkewSeconds } from '../limits.ts'
import { assertionProblem } from '../oauth/client-authentication.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Client } from '../types.ts'
import { hash } from '../util/hash.ts'

/**
 * Creates the function that verifies a client assertion (`private_key_jwt`, RFC 7523 §3) and marks
 * it as used. The mark comes last: only the client itself can use an assertion up.
 *
 * @param audiences our names: an assertion must have one of them
 * @returns a function that throws {McpOAuthError} `invalidClient`, with the reason as its cause, or
 *   `storeUnavailable`
 */
export function createAssertionVerifier (
  clients: readonly Client[],
  marks: OneTimeMarks,
  audiences: () => string[]
) {
  // Keys need no ids: each is tried.
  const keysOf = new Map(
    clients.map(({ id, jwks }) => [
      id,
      (jwks?.keys ?? []).map(key => createLocalJWKSet({ keys: [key] } as JSONWebKeySet))
    ])
  )

  return async (clientId: string, assertion: string, now: number): Promise<void> => {
    const { payload, protectedHeader } = await verify(assertion, keysOf.get(clientId) ?? [], {
      algorithms: [...signatureAlgorithms],
      issuer: clientId,
      subject: clientId,
      audience: audiences(),
      requiredClaims: ['exp'],
      clockTolerance: assertionSkewSeconds,
      currentDate: new Date(now * 1000)
    })
    const problem = assertionProblem(protectedHeader, payload, now)
    if (problem !== null) throw rejected(problem)
    const { exp = 0, jti } = payload
    // The clock of another instance may be behind ours, too.
    const ttl = exp - now + 2 * assertionSkewSeconds
    if (!await marks.consume(`assertion:${hash(clientId)}`, String(jti), ttl)) {
      throw rejected('it was used before')
    }
  }
}

async function verify (
  assertion: string,
  keys: readonly JWTVerifyGetKey[],
  options: JWTVerifyOptions
) {
  for (const key of keys) {
    try {
      return await jwtVerify(assertion, key, options)
    } catch (cause) {
      const isOtherKey = cause instanceof errors.JWKSNoMatchingKey ||
        cause instanceof errors.JWSSignatureVerificationFailed
      if (!isOtherKey) throw new McpOAuthError('invalidClient', { cause })
    }
  }
  throw rejected('no key of the client verifies it')
}

function rejected (reason: string): McpOAuthError {
  return failure('invalidClient', `The client assertion is invalid: ${reason}`)
}
