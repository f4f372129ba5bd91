/** How does a client authenticate at the token and revocation endpoints (RFC 6749 §2.3)? */

import { createHash, timingSafeEqual } from 'node:crypto'
import { McpOAuthError } from '../errors.ts'
import { assertionSeconds, assertionSkewSeconds, maxAssertionIdChars } from '../limits.ts'
import { parseJsonObject } from '../util/json.ts'
import {
  decode,
  invalidRequest,
  required,
  single,
  verbatim,
  type RequestParameters
} from './parameters.ts'

/** Value of `client_assertion_type` (RFC 7523 §2.2). */
export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** The unverified credentials of a client (RFC 6749 §2.3.1, RFC 7523 §2.2). */
type ClientAuthentication =
  | { clientId: string, method: 'none' }
  | { clientId: string, method: 'client_secret_basic' | 'client_secret_post', secret: string }
  | { clientId: string, method: 'private_key_jwt', assertion: string }

/** Whether a request has credentials of a client: its id alone is none. */
export function hasCredentials (
  { authorization }: { authorization?: string | undefined },
  params: RequestParameters
) {
  return authorization !== undefined || params.has('client_secret') ||
    params.has('client_assertion') || params.has('client_assertion_type')
}

/**
 * Parses the credentials of a client. An empty secret is no secret (RFC 6749 §2.3.1).
 *
 * @throws {McpOAuthError} `invalidRequest` for a missing `client_id`, repeated parameters, two
 *   methods at once, or half an assertion; `invalidClient` for a header that is not well-formed
 *   `Basic`, a contradicting `client_id`, or an assertion of another type or no subject
 */
export function parseClientAuthentication (
  authorization: string | undefined,
  params: RequestParameters
): ClientAuthentication {
  const named = single(params, 'client_id')
  const secret = verbatim(params, 'client_secret') ?? ''
  const assertion = single(params, 'client_assertion')
  const type = single(params, 'client_assertion_type')

  if ([authorization !== undefined, secret !== '', assertion ?? type].filter(Boolean).length > 1) {
    throw invalidRequest('A client must not use two authentication methods at once.')
  }
  if (authorization !== undefined) return parseBasic(authorization, named)
  if (assertion !== undefined && type !== undefined) {
    const clientId = named ?? subjectOf(assertion)
    if (type !== assertionType || clientId === undefined) throw new McpOAuthError('invalidClient')
    return { clientId, method: 'private_key_jwt', assertion }
  }
  if (assertion !== undefined || type !== undefined) {
    throw invalidRequest(
      'The parameters client_assertion and client_assertion_type belong together.'
    )
  }
  return {
    clientId: required(params, 'client_id'),
    ...secret === '' ? { method: 'none' } : { method: 'client_secret_post', secret }
  }
}

function parseBasic (authorization: string, named: string | undefined): ClientAuthentication {
  const [clientId, secret] = decodeBasic(authorization)
  if (/\p{Cc}/u.test(clientId) || (named ?? clientId) !== clientId) {
    throw new McpOAuthError('invalidClient')
  }
  return {
    clientId,
    ...secret === '' ? { method: 'none' } : { method: 'client_secret_basic', secret }
  }
}

function decodeBasic (authorization: string): [clientId: string, secret: string] {
  try {
    const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1] ?? ''
    const bytes = Buffer.from(encoded, 'base64')
    // Buffer skips invalid characters: only canonical base64 encodes to itself again.
    if (bytes.toString('base64') !== encoded) throw new Error('not base64')
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const colon = text.indexOf(':')
    if (colon < 1) throw new Error('no client id')
    return [decode(text.slice(0, colon)), decode(text.slice(colon + 1))]
  } catch {
    throw new McpOAuthError('invalidClient')
  }
}

/**
 * Writes the `Authorization` header of a client with a secret (RFC 6749 §2.3.1). Form-encoded, but
 * not characters such as `-` and `~`, which are frequent in secrets: servers that forget to decode
 * then still find them.
 */
export function basicCredentials (clientId: string, secret: string) {
  const encoded = [clientId, secret].map(part => encodeURIComponent(part).replaceAll('%20', '+'))
  return `Basic ${btoa(encoded.join(':'))}`
}

/**
 * Compares a secret with hashes (`sha256:` and 43 characters of base64url). One round of SHA-256 is
 * enough: the secrets are random and as long as a key, so a slow hash would protect nothing.
 */
export function isSecretOf (hashes: readonly string[], secret: string) {
  const presented = createHash('sha256').update(secret).digest()
  // Compares all of them: the time it takes must not tell which one matches.
  return hashes.map(hash =>
    timingSafeEqual(Buffer.from(hash.slice('sha256:'.length), 'base64url'), presented)
  ).includes(true)
}

/** Accepted header types, in lower case. */
const types: readonly unknown[] = [undefined, 'jwt', 'client-authentication+jwt']

/** Returns the client that an assertion names (RFC 7523 §3), unverified, if it names one. */
export function subjectOf (assertion: string) {
  const claims = Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()
  const sub = parseJsonObject(claims)?.sub
  return typeof sub === 'string' ? sub : undefined
}

/**
 * Checks the rest of a verified assertion (RFC 7523 §3). One with several audiences or a long life
 * is worth stealing; one without an id cannot be told from a copy.
 *
 * @param header of the assertion
 * @param claims of an assertion whose signature, issuer, subject, audience and times were verified
 * @param now seconds since 1970
 * @returns the problem, or null
 */
export function assertionProblem (
  { typ }: { typ?: unknown },
  { aud, exp = Infinity, iat = 0, jti }: {
    aud?: unknown
    exp?: number
    iat?: number
    jti?: unknown
  },
  now: number
): string | null {
  const type = typeof typ === 'string' ? typ.toLowerCase() : typ
  if (!types.includes(type)) return 'its typ is that of another kind of token'
  if (typeof aud !== 'string') return 'its audience is not one string'
  if (exp > now + assertionSeconds + assertionSkewSeconds) {
    return `it is valid for more than ${assertionSeconds} seconds`
  }
  if (iat > now + assertionSkewSeconds) return 'it was issued in the future'
  return typeof jti === 'string' && jti !== '' && jti.length <= maxAssertionIdChars
    ? null
    : 'its jti is missing or too long'
}
