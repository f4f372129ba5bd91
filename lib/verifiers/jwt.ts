import { errors, jwtVerify } from 'jose'
import type { JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import { causeWith, McpOAuthError } from '../errors.ts'
import type { Log, TokenVerifier } from '../types.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import { safeLogger } from '../host/safe-logger.ts'
import { cachedVerifier } from './cache.ts'
import { callerOf, problemOfClaims } from './claims.ts'
import { isCanonical, parseCompact } from './compact.ts'
import { createKeySet } from './jwks.ts'
import type { KeySet } from './jwks.ts'
import {
  audiences,
  checkOptions,
  expect,
  logger,
  optional,
  seconds,
  url
} from '../options/fields.ts'

/** Which JWTs are good. */
export interface JwtVerifierOptions {
  /** Who must have issued the token (`iss`), compared byte for byte. */
  issuer: string
  /** Audiences (`aud`) that are accepted beside the URL of the MCP route. */
  audience?: string | readonly string[] | undefined
  /** Where the keys are. Defaults to what the metadata of the issuer say. */
  jwksUri?: string | undefined
  /** Where the metadata of the issuer are. Defaults to discovery. */
  metadataUrl?: string | undefined
  /**
   * Accepted signature algorithms, none of them symmetric. Defaults to `RS256`, `PS256`, `ES256`,
   * `EdDSA` and `Ed25519`.
   */
  algorithms?: readonly string[] | undefined
  /** Seconds by which clocks may differ, 0 to 120. Defaults to 30. */
  clockTolerance?: number | undefined
  /** Seconds between issue and expiry at most. Defaults to 86,400: one day. */
  maxTokenLifetime?: number | undefined
  /** Whether a token must name whom it speaks for (`sub`). Defaults to `false`. */
  requireSubject?: boolean | undefined
  /**
   * Seconds a good token is remembered at most, instead of verified again; never past its expiry.
   * Defaults to 60; 0 verifies at every request.
   */
  cacheFor?: number | undefined
  /** Keys that are already looked after. `jwksUri` and `metadataUrl` are not used then. */
  keys?: KeySet | undefined
  /** Where failing key loads are reported. */
  log?: Log | undefined
}

const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87'
]

const expectations = {
  issuer: url({ query: false }),
  audience: audiences,
  jwksUri: optional(url()),
  metadataUrl: optional(url()),
  algorithms: optional(
    expect(
      `a list of asymmetric algorithms: ${asymmetric.join(', ')}`,
      (value) =>
        Array.isArray(value) && value.length > 0 && value.every((name) => asymmetric.includes(name))
    )
  ),
  clockTolerance: optional(seconds(0, 120)),
  maxTokenLifetime: optional(
    expect('a number of seconds', (value) => Number.isFinite(value) && Number(value) > 0)
  ),
  requireSubject: optional(expect('true or false', (value) => typeof value === 'boolean')),
  cacheFor: optional(seconds(0, 60)),
  keys: optional(expect('a set of keys', (value) => typeof Object(value).peek === 'function')),
  log: logger
}

/** Header types an access token may have: RFC 9068 §2.1, or nothing in particular. */
const types: readonly unknown[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']

/**
 * A verifier of JWT access tokens (RFC 9068, RFC 8725).
 *
 * Resolves to `null` for what is not a JWT of this issuer, so that verifiers of several issuers can
 * stand side by side. Good tokens are remembered for a while: checking a signature costs more than
 * all the rest of a guard.
 *
 * @throws {McpOAuthError} `invalidOptions`; the verifier itself throws `invalidToken` and
 *   `keysUnavailable`
 */
export function jwtVerifier (options: JwtVerifierOptions): TokenVerifier {
  checkOptions('jwtVerifier', options, expectations)
  const { issuer, audience = [], algorithms = signatureAlgorithms } = options
  const { clockTolerance = 30, maxTokenLifetime = 86_400, requireSubject = false, cacheFor = 60 } =
    options

  const keys = options.keys ?? keysOf(options)
  const accepted = [audience].flat()
  const rules = { clockTolerance, maxTokenLifetime, requireSubject }
  const expected = { issuer, algorithms: [...algorithms], clockTolerance }

  const verify: TokenVerifier = async (token, context) => {
    const parsed = parseCompact(token)
    if (parsed?.claims['iss'] !== issuer) return null

    const { parts, header, claims } = parsed
    if (!parts.every(isCanonical)) throw invalid('not canonically encoded')
    const type = header['typ']
    if (!types.includes(typeof type === 'string' ? type.toLowerCase() : type)) {
      throw invalid('not the type of an access token')
    }
    await verifySignature(token, keys, {
      ...expected,
      audience: [context.resource, ...accepted],
      currentDate: new Date(context.now * 1000)
    })
    const problem = problemOfClaims(claims, context.now, rules, context.dpop)
    if (problem !== null) throw invalid(problem)
    return callerOf(token, claims, context)
  }
  return Object.assign(cachedVerifier(verify, { maxAge: cacheFor }), { issuer })
}

function keysOf ({ issuer, metadataUrl, jwksUri, log }: JwtVerifierOptions): KeySet {
  const reports = { log: log && safeLogger(log) }
  const provider = createProviderDiscovery({ issuer, metadataUrl, ...reports })
  return createKeySet({ uri: async () => jwksUri ?? provider.keysUri(), ...reports })
}

function invalid (reason: unknown, { audience }: JWTVerifyOptions = {}): McpOAuthError {
  if (reason instanceof errors.JWTClaimValidationFailed && reason.claim === 'aud') {
    return new McpOAuthError('invalidToken', {
      cause: causeWith(
        `The token is refused: not for this audience (${[audience].flat().join(', ')}), but for`,
        reason.payload.aud
      )
    })
  }
  return new McpOAuthError('invalidToken', {
    cause: reason instanceof Error ? reason : new Error(`The token is refused: ${reason}`)
  })
}

/** Looks for newer keys once, if the ones at hand were there before and do not fit. */
async function verifySignature (
  token: string,
  set: KeySet,
  options: JWTVerifyOptions
): Promise<void> {
  const before = set.peek()
  const keys = await set.get()
  try {
    await verifyWith(keys, token, options)
  } catch (error) {
    const unknownKey = error instanceof errors.JWKSNoMatchingKey
    if (
      keys !== before || !(unknownKey || error instanceof errors.JWSSignatureVerificationFailed)
    ) { throw verdict(error, options) }
    // A wrong signature stays wrong when there is no way to ask; an unknown key may be a good one.
    const newer = await set.refresh().catch((failure) => {
      throw unknownKey ? failure : invalid(error)
    })
    if (newer === keys) throw invalid(error)
    await verifyWith(newer, token, options).catch((failure) => {
      throw verdict(failure, options)
    })
  }
}

async function verifyWith (
  keys: JWTVerifyGetKey,
  token: string,
  options: JWTVerifyOptions
): Promise<void> {
  try {
    await jwtVerify(token, keys, options)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    // Keys without ids, as during a rotation: any of them may be meant.
    for await (const key of error) {
      try {
        await jwtVerify(token, key, options)
        return
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

const faultsOfToken = [
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey
]

/**
 * Only what is known to be the fault of a token is held against it: a key that cannot be imported
 * throws errors of any kind.
 */
function verdict (error: unknown, options: JWTVerifyOptions): McpOAuthError {
  return faultsOfToken.some((fault) => error instanceof fault)
    ? invalid(error, options)
    : new McpOAuthError('keysUnavailable', { cause: error })
}
