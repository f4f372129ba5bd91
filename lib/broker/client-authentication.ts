/** Which client sent a request to the token or revocation endpoint? */

import type { FastifyRequest } from 'fastify'
import type { JSONWebKeySet, JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import { loadJose } from '../crypto/jose.ts'
import { failure, isRefusal, McpOAuthError, quoted } from '../errors.ts'
import { assertionSkewSeconds } from '../limits.ts'
import {
  assertionProblem,
  isSecretOf,
  parseClientAuthentication
} from '../oauth/client-authentication.ts'
import { hasLogins } from '../oauth/grant-types.ts'
import type { RequestParameters } from '../oauth/parameters.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { type KeySet, verifyAssertion as verifyWithKeySet } from '../provider/keys.ts'
import { assertUnused, type SingleUse } from '../store/single-use.ts'
import type { Client } from '../types.ts'
import { hash } from '../util/hash.ts'
import type { Broker } from './broker.ts'
import type { Issuers } from './issuers.ts'

/** The client that sent a request. */
export interface AuthenticatedClient {
  clientId: string
  /** Its assertion, if it sent one that counts. */
  assertions: SingleUse[]
  isAuthenticated: boolean
  /** Its grants, if they are not the default ones. */
  grantTypes?: Client['grantTypes']
}

/**
 * Authenticates the client of a request (RFC 6749 §2.3). A client must use the secret, the keys or
 * the workloads that the operator gave it, or the keys of its metadata document. All others are
 * public and prove themselves by PKCE. A public client that sends a secret has a registration of
 * another server: the error lets it register again.
 *
 * @param isSealed whether the caller checks a code or token that says whether its client signs
 *   ({@link assertSigned}). The metadata document of a client that does not is not fetched then
 * @returns the id of the client, and its assertion if it sent one
 * @throws {McpOAuthError} `invalidClient`, the same for clients that are unknown, expired or not
 *   authenticated; `clientUnavailable`; `invalidRequest`; `storeUnavailable`
 */
export async function authenticateClient (
  broker: Broker,
  { headers }: FastifyRequest,
  params: RequestParameters,
  now: number,
  isSealed = false
): Promise<AuthenticatedClient> {
  const credentials = parseClientAuthentication(headers.authorization, params)
  const { clientId, method } = credentials
  const { clients, config } = broker
  const mayBeDocumented = method === 'private_key_jwt' || (method === 'none' && !isSealed)
  const listed = clients.listed(clientId)
  const client = listed ?? (mayBeDocumented ? await clients.documented(clientId) : null)
  // A document that names other user grants than at a login does not end the session.
  const grantTypes = listed || !hasLogins(client?.grantTypes) ? client?.grantTypes : undefined
  const { secretHashes, jwks, jwksUri } = client ?? {}
  const isWorkload = config.workloads.some(entry => entry.clients?.includes(clientId))
  // Without a code or token of a session, the signature alone tells who sent the request.
  const hasKeys = jwks !== undefined || jwksUri !== undefined
  if (client && (isWorkload || hasKeys)) {
    if (method !== 'private_key_jwt') throw rejected('sent no assertion')
    const verify = isWorkload ? verifyWorkload : verifyAssertion
    const assertion = await verify(broker, client, credentials.assertion, now)
    return { clientId, assertions: [assertion], isAuthenticated: true, grantTypes }
  } else if (secretHashes) {
    if (!('secret' in credentials) || !isSecretOf(secretHashes, credentials.secret)) {
      const problem = 'secret' in credentials ? 'sent a wrong secret' : 'sent no secret'
      throw rejected(`${quoted(clientId)} ${problem}`)
    }
  } else {
    // A client may sign, because our metadata offers it, although its document says `none`. It is
    // public then, and the signature does not matter.
    const isPublic = method === 'none' ||
      (method === 'private_key_jwt' && clientId.startsWith('https://'))
    if (!isPublic || !await clients.accepts(clientId)) {
      throw rejected('is unknown, or is public and sent a secret')
    }
  }
  return { clientId, assertions: [], isAuthenticated: secretHashes !== undefined, grantTypes }
}

/**
 * Refuses a code or token of a client that signs, from a request that is not authenticated: its
 * document may be out of reach, or may have been replaced by that of a public client.
 *
 * @throws {McpOAuthError} `invalidClient`
 */
export function assertSigned (
  { isAuthenticated }: Pick<AuthenticatedClient, 'isAuthenticated'>,
  { signs }: { signs?: true | undefined }
) {
  if (signs && !isAuthenticated) throw rejected('signs its requests, and did not sign this one')
}

/** Verifies a client assertion (`private_key_jwt`, RFC 7523 §3), and returns its mark. */
async function verifyAssertion (
  { clients, issuer, marks }: Broker,
  { id: clientId, jwks, jwksUri }: Client,
  assertion: string,
  now: number
): Promise<SingleUse> {
  const options = {
    algorithms: [...signatureAlgorithms],
    issuer: clientId,
    subject: clientId,
    audience: [issuer(), `${issuer()}/oauth/token`],
    requiredClaims: ['exp'],
    clockTolerance: assertionSkewSeconds,
    currentDate: new Date(now * 1000)
  }
  const { payload, protectedHeader } = jwksUri === undefined
    ? await verifySignature(assertion, jwks?.keys ?? [], options)
    : await verifyPublished(assertion, clients.keysAt(jwksUri) as KeySet, options)
  const problem = assertionProblem(protectedHeader, payload, now)
  if (problem !== null) throw rejected(`sent an invalid assertion: ${problem}`)
  const { exp = 0, jti } = payload
  // Anyone can have a document: a store for each such client would fill the memory.
  const owner = clients.listed(clientId) ? hash(clientId) : 'documents'
  const use: SingleUse = {
    marks,
    kind: `assertion:${owner}`,
    id: `${clientId} ${jti}`,
    // The clock of another instance may be behind ours, too.
    ttl: exp - now + 2 * assertionSkewSeconds,
    used: () => rejected('sent an assertion that was used before')
  }
  // A store that takes no writes would not take the mark either, and each instance accept a replay.
  await marks.claim(`assertion-seen:${owner}`, use.id, '', use.ttl)
  await assertUnused(use)
  return use
}

/** Verifies the token of a workload that a client is. Its subject is the workload. */
async function verifyWorkload (
  { issuers }: Broker,
  { id }: Client,
  assertion: string,
  now: number
): Promise<SingleUse> {
  try {
    const { use } = await (issuers as Issuers).verifyWorkload(assertion, now, id)
    return { ...use, used: () => rejected('sent a workload token that was used before') }
  } catch (error) {
    if (!isRefusal(error)) throw error
    throw rejected(`sent an invalid workload token: ${(error.cause as Error).message}`)
  }
}

/** Verifies an assertion with the keys that its client publishes. */
async function verifyPublished (assertion: string, keys: KeySet, options: JWTVerifyOptions) {
  try {
    return await verifyWithKeySet(
      assertion,
      keys,
      options,
      cause => new McpOAuthError('clientUnavailable', { cause })
    )
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    throw rejected(`sent an invalid assertion: ${(cause as Error).message}`)
  }
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
