import { createLocalJWKSet, errors, jwtVerify } from 'jose'
import type { JSONWebKeySet, JWTVerifyGetKey, JWTVerifyOptions, JWTVerifyResult } from 'jose'
import type { Client } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { assertionSkewSeconds } from '../limits.ts'
import { assertionProblem } from '../oauth/client-assertion.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { hash } from '../util/hash.ts'
import type { OneTimeMarks } from '../store/one-time.ts'

/**
 * Checks the assertions by which clients with keys prove who they are (`private_key_jwt`, RFC 7523
 * §2.2 and §3).
 */
export interface ClientAssertions {
  /**
   * Uses an assertion up. It is remembered last: nobody but the client can make one count as used.
   *
   * @throws McpOAuthError `invalidClient`, with the reason as its cause; `storeUnavailable`
   */
  accept(clientId: string, assertion: string, now: number): Promise<void>
}

/**
 * @param audiences names of ours, one of which an assertion must be for
 */
export function createClientAssertions (
  clients: readonly Client[],
  marks: OneTimeMarks,
  audiences: () => string[]
): ClientAssertions {
  // Keys need no ids: each is tried.
  const keysOf = new Map(
    clients.map(({ id, jwks }) => [
      id,
      (jwks?.keys ?? []).map(key => createLocalJWKSet({ keys: [key] } as JSONWebKeySet))
    ])
  )

  return {
    async accept (clientId, assertion, now) {
      const { payload, protectedHeader } = await verified(assertion, keysOf.get(clientId) ?? [], {
        algorithms: [...signatureAlgorithms],
        issuer: clientId,
        subject: clientId,
        audience: audiences(),
        requiredClaims: ['exp'],
        clockTolerance: assertionSkewSeconds,
        currentDate: new Date(now * 1000)
      })
      const problem = assertionProblem(protectedHeader, payload, now)
      if (problem !== null) throw refused(problem)
      const { exp = 0, jti } = payload
      // The clock of another instance may be behind ours, too.
      if (
        !await marks.consume(
          `assertion:${hash(clientId)}`,
          String(jti),
          exp - now + 2 * assertionSkewSeconds
        )
      ) throw refused('it was used before')
    }
  }
}

async function verified (
  assertion: string,
  keys: readonly JWTVerifyGetKey[],
  options: JWTVerifyOptions
): Promise<JWTVerifyResult> {
  for (const key of keys) {
    try {
      return await jwtVerify(assertion, key, options)
    } catch (error) {
      if (
        !(error instanceof errors.JWKSNoMatchingKey ||
          error instanceof errors.JWSSignatureVerificationFailed)
      ) throw refused(error)
    }
  }
  throw refused('no key of the client fits')
}

function refused (reason: unknown): McpOAuthError {
  return new McpOAuthError('invalidClient', {
    cause: reason instanceof Error ? reason : new Error(`The assertion is refused: ${reason}`)
  })
}
