import { createHash } from 'node:crypto'
import { McpOAuthError } from '../errors.ts'
import { single, type RequestParameters } from '../oauth/parameters.ts'
import { publicKeyProblem, signatureAlgorithms } from '../oauth/public-keys.ts'

/** Longest proof and longest `jti`, in characters. */
const maxProofLength = 8192
const maxIdLength = 256

const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/
const thumbprint = /^[\w-]{43}$/

/** What a proof is held against. */
export interface ProofExpectation {
  /** Method of the request, as it came. */
  readonly method: string
  /** URL of the request, as clients see it: {@link requestUrl}. */
  readonly url: string
  /** The nonces that are good now. */
  readonly nonces: readonly string[]
  /** The access token that came along; absent at the token endpoint. */
  readonly accessToken?: string | undefined
}

/** A proof that keeps to the rules, if its signature by `jwk` is good. */
export interface Proof {
  readonly alg: string
  readonly jwk: object
  readonly id: string
}

/**
 * The proof of a request: the value of its one `DPoP` header, or `undefined` if it has none.
 *
 * Throws `invalidDpopProof` for two headers (RFC 9449 §4.3; Node joins them, hence `rawHeaders`),
 * and for what is no compact JWS.
 */
export function proofIn (rawHeaders: readonly string[]): string | undefined {
  const values = rawHeaders.filter((_value, index) =>
    index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'dpop'
  )
  const [value] = values
  if (value === undefined) return undefined
  if (values.length > 1) throw refused('there are two of them')
  if (value.length > maxProofLength || !compact.test(value)) throw refused('it is not a signed JWT')
  return value
}

/**
 * Holds the header and the claims of a proof to RFC 9449 §4.3: everything but the signature, and
 * whether it was used before.
 *
 * What says when a proof was made is its nonce, which is ours: clocks of clients are often wrong,
 * and a nonce cannot be known in advance.
 *
 * Throws `invalidDpopProof`; `useDpopNonce` if a good nonce is all that is missing.
 */
export function checkProof (
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  expected: ProofExpectation
): Proof {
  const { typ, alg, crit, jwk } = header
  const { jti: id, htm, htu, iat, ath, nonce } = claims
  if (typ !== 'dpop+jwt') throw refused('typ is not dpop+jwt')
  if (typeof alg !== 'string' || !signatureAlgorithms.includes(alg)) {
    throw refused('alg is not accepted')
  }
  if (crit !== undefined) throw refused('crit is not accepted')
  if (typeof id !== 'string' || id === '' || id.length > maxIdLength) {
    throw refused('jti is missing or too long')
  }
  if (!Number.isFinite(iat)) throw refused('iat is missing')
  if (htm !== expected.method) throw refused('htm is not the method of the request')
  if (!isSameTarget(htu, expected.url)) throw refused('htu is not the URL of the request')
  if (
    expected.accessToken !== undefined &&
    ath !== createHash('sha256').update(expected.accessToken).digest('base64url')
  ) throw refused('ath is not the hash of the access token')
  if (typeof jwk !== 'object' || jwk === null) throw refused('jwk is missing')
  const keyProblem = publicKeyProblem(jwk)
  if (keyProblem !== null) throw refused(`jwk ${keyProblem}`)
  if (!expected.nonces.includes(nonce as string)) throw new McpOAuthError('useDpopNonce')
  return { alg, jwk, id }
}

/** A refusal; the reason is for the log. */
export function refused (reason: string, cause?: unknown): McpOAuthError {
  return new McpOAuthError('invalidDpopProof', {
    cause: new Error(`The DPoP proof is refused: ${reason}`, { cause })
  })
}

/**
 * The URL of a request as clients see it: where they reach the app, and the path the router was
 * given. Never from `Host`.
 *
 * @param url of the request line, which may be absolute (RFC 9112 §3.2.2)
 */
export function requestUrl (publicUrl: string, url: string): string {
  const [, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(url) ?? []
  return publicUrl + path
}

const printable = /^https?:\/\/[\x21-\x5b\x5d-\x7e]+$/i
const dotSegment = /\/(?:\.|%2e){1,2}(?:[/?#]|$)/i

/**
 * Compares without query and fragment, after the normalization of RFC 3986 §6.2.2 and §6.2.3.
 * Routers take dot segments as they are: a request with them has the URL of no proof.
 */
function isSameTarget (htu: unknown, url: string): boolean {
  return typeof htu === 'string' && printable.test(htu) && URL.canParse(htu) &&
    printable.test(url) &&
    !dotSegment.test(url) && normalForm(htu) === normalForm(url)
}

function normalForm (url: string): string {
  const parsed = new URL(url)
  parsed.search = ''
  parsed.hash = ''
  return parsed.href.replaceAll(/%([\da-f]{2})/gi, (encoded, code) => {
    const character = String.fromCharCode(parseInt(code, 16))
    return /[\w.~-]/.test(character) ? character : encoded.toUpperCase()
  })
}

/**
 * The thumbprint of the key that verified claims bind a token to (RFC 9449 §6.1). `undefined` for a
 * token that is not bound; `null` for one that is bound in a way nobody here can check, such as to
 * a certificate (RFC 8705 §3).
 */
export function boundKeyOf ({ cnf }: Readonly<Record<string, unknown>>): string | null | undefined {
  if (cnf === undefined) return undefined
  const { jkt, ...others } = Object(cnf) as Record<string, unknown>
  return typeof jkt === 'string' && thumbprint.test(jkt) && Object.keys(others).length === 0
    ? jkt
    : null
}

/**
 * The key an authorization request wants its code to be for (RFC 9449 §10). Throws `invalidRequest`
 * for what is no thumbprint.
 */
export function requestedKey (params: RequestParameters): string | undefined {
  const key = single(params, 'dpop_jkt')
  if (key !== undefined && !thumbprint.test(key)) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The parameter dpop_jkt is malformed.'
    })
  }
  return key
}
