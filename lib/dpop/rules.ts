/** Which rules of RFC 9449 must a DPoP proof and a bound token obey? */

import type { JWK } from 'jose'
import { McpOAuthError } from '../errors.ts'
import { maxProofChars, maxProofIdChars } from '../limits.ts'
import { invalidRequest, single, type RequestParameters } from '../oauth/parameters.ts'
import { publicKeyProblem, signatureAlgorithms } from '../oauth/public-keys.ts'
import { isPlainObject } from '../util/json.ts'

const thumbprint = /^[\w-]{43}$/

type Members = Record<string, unknown>

/**
 * Returns the value of the only `DPoP` header, or `undefined` if there is none. Reads the raw
 * headers: Node joins repeated ones, which RFC 9449 §4.3 forbids.
 *
 * @throws {McpOAuthError} `invalidDpopProof` for two headers, and for anything but a compact JWS
 */
export function proofHeader (rawHeaders: readonly string[]) {
  const [value, second] = rawHeaders.filter((_value, index) =>
    index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'dpop'
  )
  if (value === undefined) return undefined
  if (second !== undefined) throw invalidProof('there are two of them')
  if (value.length > maxProofChars || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) {
    throw invalidProof('it is not a signed JWT')
  }
  return value
}

/**
 * Checks the header and the claims of a proof (RFC 9449 §4.3), but not its signature. The nonce
 * tells when a proof was made, not `iat`: clocks of clients are often wrong, and no client can
 * foresee a nonce.
 *
 * @returns the algorithm and the public key of the proof, and its `jti`
 * @throws {McpOAuthError} `invalidDpopProof`; `useDpopNonce` if only a valid nonce is missing
 */
export function checkProof (
  { typ, alg, crit, jwk }: Members,
  { jti, iat, htm, htu, ath, nonce }: Members,
  { method, url, nonces, tokenHash, isKnownKey = false }: {
    method: string
    /** URL of the request as clients see it: {@link requestUrl}. */
    url: string
    /** The valid nonces. */
    nonces: readonly string[]
    /** That of the access token; `undefined` at the token endpoint. */
    tokenHash: string | undefined
    /** Whether a proof with this header was valid before. */
    isKnownKey?: boolean
  }
) {
  const expect = (isTrue: boolean, problem: string) => {
    if (!isTrue) throw invalidProof(problem)
  }
  expect(typ === 'dpop+jwt', 'typ is not dpop+jwt')
  expect(signatureAlgorithms.includes(alg as string), 'alg is not accepted')
  expect(crit === undefined, 'crit is not accepted')
  const isId = typeof jti === 'string' && jti !== '' && jti.length <= maxProofIdChars
  expect(isId, 'jti is missing or too long')
  expect(Number.isFinite(iat), 'iat is missing')
  expect(htm === method, 'htm is not the method of the request')
  expect(isSameTarget(htu, url), 'htu is not the URL of the request')
  const isForToken = tokenHash === undefined || ath === tokenHash
  expect(isForToken, 'ath is not the hash of the access token')
  const problem = isKnownKey ? null : keyProblem(jwk)
  if (problem) throw invalidProof(problem)
  if (!nonces.includes(nonce as string)) throw new McpOAuthError('useDpopNonce')
  return { alg: alg as string, jwk: jwk as JWK, id: jti as string }
}

function keyProblem (jwk: unknown) {
  const problem = isPlainObject(jwk) ? publicKeyProblem(jwk) : 'is missing'
  return problem && `jwk ${problem}`
}

/** The error for an invalid proof. The reason is logged, never sent. */
export function invalidProof (reason: string, cause?: unknown) {
  return new McpOAuthError('invalidDpopProof', {
    cause: new Error(`The DPoP proof is invalid: ${reason}`, { cause })
  })
}

/**
 * Returns the URL of a request as clients see it: the public URL of the app and the path that the
 * router received. Never reads `Host`.
 *
 * @param url of the request line, which may be absolute (RFC 9112 §3.2.2)
 */
export function requestUrl (publicUrl: string, url: string) {
  const [, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(url) ?? []
  return publicUrl + path
}

const printable = /^https?:\/\/[\x21-\x5b\x5d-\x7e]+$/i
const dotSegment = /\/(?:\.|%2e){1,2}(?:[/?#]|$)/i

/**
 * Compares URLs without query and fragment, after the normalization of RFC 3986 §6.2.2 and §6.2.3.
 * Routers do not resolve dot segments, so no proof matches a request with them.
 */
function isSameTarget (htu: unknown, url: string) {
  if (typeof htu !== 'string' || !printable.test(url) || dotSegment.test(url)) return false
  return htu === url ||
    (printable.test(htu) && URL.canParse(htu) && normalForm(htu) === normalForm(url))
}

function normalForm (url: string) {
  const parsed = new URL(url)
  parsed.search = ''
  parsed.hash = ''
  return parsed.href.replaceAll(/%([\da-f]{2})/gi, (encoded, code) => {
    const character = String.fromCharCode(parseInt(code, 16))
    return /[\w.~-]/.test(character) ? character : encoded.toUpperCase()
  })
}

/**
 * Returns the thumbprint of the key that verified claims bind a token to (RFC 9449 §6.1). It is
 * `undefined` for an unbound token, and `null` for a binding that we cannot check, such as to a
 * certificate (RFC 8705 §3).
 */
export function boundKeyOf ({ cnf }: Members): string | null | undefined {
  if (cnf === undefined) return undefined
  const { jkt, ...others } = Object(cnf) as Members
  const isOnlyMember = Object.keys(others).length === 0
  return isOnlyMember && typeof jkt === 'string' && thumbprint.test(jkt) ? jkt : null
}

/**
 * Returns the thumbprint of the key for which an authorization request wants its code (RFC 9449
 * §10).
 *
 * @throws {McpOAuthError} `invalidRequest` if it is malformed
 */
export function requestedKey (params: RequestParameters) {
  const key = single(params, 'dpop_jkt')
  if (key !== undefined && !thumbprint.test(key)) {
    throw invalidRequest('The parameter dpop_jkt is malformed.')
  }
  return key
}
