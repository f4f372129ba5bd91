/** Which client sent a request to the token or revocation endpoint? */

import type { FastifyRequest } from 'fastify'
import type { JSONWebKeySet, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import { loadJose } from '../crypto/jose.ts'
import { failure } from '../errors.ts'
import { assertionSkewSeconds } from '../limits.ts'
import {
  assertionProblem,
  isSecretOf,
  parseClientAuthentication
} from '../oauth/client-authentication.ts'
import type { RequestParameters } from '../oauth/parameters.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { assertUnused, type SingleUse } from '../store/single-use.ts'
import { hash } from '../util/hash.ts'
import type { Broker } from './broker.ts'

/**
 * Authenticates the client of a request (RFC 6749 §2.3). A client that the operator gave a secret
 * or keys must use them. All others are public and prove themselves by PKCE. A public client that
 * sends a secret has a registration of another server: the error lets it register again.
 *
 * @returns the id of the client, and its assertion if it sent one
 * @throws {McpOAuthError} `invalidClient`, the same for clients that are unknown, expired or not
 *   authenticated; `invalidRequest`; `storeUnavailable`
 */
export async function authenticateClient (
  broker: Broker,
  { headers }: FastifyRequest,
  params: RequestParameters,
  now: number
): Promise<{ clientId: string, assertions: SingleUse[], isAuthenticated: boolean }> {
  const credentials = parseClientAuthentication(headers.authorization, params)
  const { clientId, method } = credentials
  const { secretHashes, jwks } = broker.clients.listed(clientId) ?? {}
  if (jwks) {
    if (method !== 'private_key_jwt') throw rejected('sent no assertion')
    const assertion = await verifyAssertion(
      broker,
      clientId,
      jwks.keys,
      credentials.assertion,
      now
    )
    return { clientId, assertions: [assertion], isAuthenticated: true }
  } else if (secretHashes) {
    if (!('secret' in credentials) || !isSecretOf(secretHashes, credentials.secret)) {
      throw rejected('sent no secret, or a wrong one')
    }
  } else {
    // Clients with a metadata document may sign, because our metadata offers it. They are public to
    // us, so the signature does not matter.
    const isPublic = method === 'none' ||
      (method === 'private_key_jwt' && clientId.startsWith('https://'))
    if (!isPublic || !await broker.clients.accepts(clientId)) {
      throw rejected('is unknown, or is public and sent a secret')
    }
  }
  return { clientId, assertions: [], isAuthenticated: secretHashes !== undefined }
}

/** Verifies a client assertion (`private_key_jwt`, RFC 7523 §3), and returns its mark. */
async function verifyAssertion (
  { issuer, marks }: Broker,
  clientId: string,
  keys: readonly object[],
  assertion: string,
  now: number
): Promise<SingleUse> {
  const { payload, protectedHeader } = await verifySignature(assertion, keys, {
    algorithms: [...signatureAlgorithms],
    issuer: clientId,
    subject: clientId,
    audience: [issuer(), `${issuer()}/oauth/token`],
    requiredClaims: ['exp'],
    clockTolerance: assertionSkewSeconds,
    currentDate: new Date(now * 1000)
  })
  const problem = assertionProblem(protectedHeader, payload, now)
  if (problem !== null) throw rejected(`sent an invalid assertion: ${problem}`)
  const { exp = 0, jti } = payload
  const use: SingleUse = {
    marks,
    kind: `assertion:${hash(clientId)}`,
    id: String(jti),
    // The clock of another instance may be behind ours, too.
    ttl: exp - now + 2 * assertionSkewSeconds,
    used: () => rejected('sent an assertion that was used before')
  }
  // A store that takes no writes would not take the mark either, and each instance accept a replay.
  await marks.claim(`assertion-seen:${hash(clientId)}`, use.id, '', use.ttl)
  await assertUnused(use)
  return use
}

/** Key sets of the configured keys, which keep their imported keys. */
const keySets = new WeakMap<object, JWTVerifyGetKey>()

/** Keys need no ids: each is tried. */
async function verifySignature (
  assertion: string,
  keys: readonly object[],
  options: JWTVerifyOptions
) {
  const { createLocalJWKSet, errors, jwtVerify } = await loadJose()
  for (const key of keys) {
    try {
      const set = keySets.get(key) ?? createLocalJWKSet({ keys: [key] } as JSONWebKeySet)
      keySets.set(key, set)
      return await jwtVerify(assertion, set, options)
    } catch (cause) {
      const isOtherKey = cause instanceof errors.JWKSNoMatchingKey ||
        cause instanceof errors.JWSSignatureVerificationFailed
      if (!isOtherKey) throw rejected(`sent an invalid assertion: ${(cause as Error).message}`)
    }
  }
  throw rejected('sent an assertion that none of its keys verifies')
}

function rejected (reason: string) {
  return failure('invalidClient', `The client ${reason}`)
}
