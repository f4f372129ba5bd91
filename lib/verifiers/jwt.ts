/** How is a JWT access token verified (RFC 9068, RFC 8725), and with which keys? */
import {
  createLocalJWKSet,
  errors,
  jwtVerify,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type JWTVerifyOptions
} from 'jose'
import { isCanonical } from '../crypto/sealer.ts'
import { failure, McpOAuthError } from '../errors.ts'
import { safeLogger } from '../host/replies.ts'
import { cached, type Cached } from '../http/cached.ts'
import { fetchJson } from '../http/fetch.ts'
import {
  issuerSkewSeconds,
  keysFreshSeconds,
  keysStaleSeconds,
  maxProviderKeys,
  maxTokenLifetimeSeconds,
  tokenCacheSeconds
} from '../limits.ts'
import { secretMemberOf, signatureAlgorithms } from '../oauth/public-keys.ts'
import { checkOptions, expect, flag, optional, url } from '../options/fields.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import type { Log, TokenVerifier } from '../types.ts'
import { callerOf, parseCompact, problemOfClaims, rejection, wrongAudience } from './claims.ts'
import { cachedVerifier, commonFields, type VerifierOptions } from './verifier.ts'

/** The public keys of an issuer. */
type KeySet = Cached<JWTVerifyGetKey>

/** Issuer, keys and requirements of the tokens. */
export interface JwtVerifierOptions extends VerifierOptions {
  /** URL of the JWK set. Defaults to that of the metadata of the issuer. */
  jwksUri?: string | undefined
  /**
   * Accepted signature algorithms, all of them asymmetric. Defaults to `RS256`, `PS256`, `ES256`,
   * `EdDSA` and `Ed25519`.
   */
  algorithms?: readonly string[] | undefined
  /** Longest time from issue to expiry, in seconds. Defaults to 86,400: one day. */
  maxTokenLifetime?: number | undefined
  /** Whether a token must have a subject (`sub`). Defaults to `false`. */
  requireSubject?: boolean | undefined
  /** A key set that is loaded elsewhere. Replaces `jwksUri` and `metadataUrl`. */
  keys?: KeySet | undefined
}

const asymmetric = (
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 ML-DSA-44 ' +
  'ML-DSA-65 ML-DSA-87'
).split(' ')

const expectations = {
  ...commonFields,
  jwksUri: optional(url()),
  algorithms: optional(
    expect(
      `a list of asymmetric algorithms: ${asymmetric.join(', ')}`,
      value =>
        Array.isArray(value) && value.length > 0 && value.every(name => asymmetric.includes(name))
    )
  ),
  maxTokenLifetime: optional(
    expect('a number of seconds', value => Number.isFinite(value) && Number(value) > 0)
  ),
  requireSubject: optional(flag),
  keys: optional(expect('a set of keys', value => typeof Object(value).peek === 'function'))
}

/** Header types (`typ`) of access tokens: RFC 9068 §2.1, or an unspecific one. */
const types: readonly unknown[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt']

/**
 * Creates a verifier of JWT access tokens (RFC 9068, RFC 8725). It returns `null` for a token that
 * is not a JWT of this issuer, so that another verifier is tried.
 *
 * @throws {McpOAuthError} `invalidOptions`. The verifier throws `invalidToken` and
 *   `keysUnavailable`
 * @example
 * await app.register(mcpOAuth, { tokens: jwtVerifier({ issuer: 'https://login.example.com' }) })
 */
export function jwtVerifier (options: JwtVerifierOptions): TokenVerifier {
  checkOptions('jwtVerifier', options, expectations)
  const {
    issuer,
    audience = [],
    algorithms = signatureAlgorithms,
    clockTolerance = issuerSkewSeconds,
    maxTokenLifetime = maxTokenLifetimeSeconds,
    requireSubject = false,
    cacheFor = tokenCacheSeconds,
    keys = keysOf(options)
  } = options

  const rules = { clockTolerance, maxTokenLifetime, requireSubject }

  const verify: TokenVerifier = async (token, context) => {
    const parsed = parseCompact(token)
    if (parsed?.claims['iss'] !== issuer) return null

    const { header: { typ }, claims } = parsed
    // With a second spelling, a revoked token would pass a list of revoked tokens.
    if (!isCanonical(token)) throw rejection('it is not canonically encoded')
    if (!types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)) {
      throw rejection('its typ is not that of an access token')
    }
    await verifySignature(token, keys, {
      issuer,
      algorithms: [...algorithms],
      clockTolerance,
      audience: [context.resource, ...[audience].flat()],
      currentDate: new Date(context.now * 1000)
    })
    const problem = problemOfClaims(claims, context, rules)
    if (problem !== null) throw rejection(problem)
    return callerOf(token, claims, context)
  }
  return Object.assign(cachedVerifier(verify, { maxAge: cacheFor }), { issuer })
}

function keysOf (options: JwtVerifierOptions): KeySet {
  const log = options.log && safeLogger(options.log)
  const provider = createProviderDiscovery({ ...options, log })
  return createKeySet({ uri: async () => options.jwksUri ?? provider.keysUri(), log })
}

type VerifyOptions = JWTVerifyOptions & { audience: string[] }

/** Verifies a signature. If cached keys do not fit, newer ones are loaded and tried once. */
async function verifySignature (token: string, set: KeySet, options: VerifyOptions): Promise<void> {
  const cached = set.peek()
  const keys = await set.get()
  try {
    await verifyWith(keys, token, options)
  } catch (error) {
    const { cause } = error as McpOAuthError
    const isUnknownKey = cause instanceof errors.JWKSNoMatchingKey
    const isNewKeyPossible = isUnknownKey || cause instanceof errors.JWSSignatureVerificationFailed
    if (keys !== cached || !isNewKeyPossible) throw error
    // If the load fails, an unknown key may still be valid, while a wrong signature remains wrong.
    const newer = await set.refresh().catch((failure) => {
      throw isUnknownKey ? failure : error
    })
    if (newer === keys) throw error
    await verifyWith(newer, token, options)
  }
}

async function verifyWith (keys: JWTVerifyGetKey, token: string, options: VerifyOptions) {
  try {
    await jwtVerify(token, keys, options).catch(async (error) => {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      // Several keys match, e.g. keys without ids during a rotation.
      for await (const key of error) {
        try {
          return await jwtVerify(token, key, options)
        } catch (failure) {
          if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
        }
      }
      throw new errors.JWSSignatureVerificationFailed()
    })
  } catch (error) {
    throw errorOf(error, options)
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

/** Only known faults of a token make it invalid: a broken key throws errors of any kind. */
function errorOf (cause: unknown, { audience }: VerifyOptions): McpOAuthError {
  if (cause instanceof errors.JWTClaimValidationFailed && cause.claim === 'aud') {
    return wrongAudience(audience, cause.payload.aud)
  }
  const isFaultOfToken = faultsOfToken.some(fault => cause instanceof fault)
  return new McpOAuthError(isFaultOfToken ? 'invalidToken' : 'keysUnavailable', { cause })
}

/**
 * Caches the keys of an issuer for ten minutes, and for another hour while they cannot be loaded.
 * `refresh()` loads at most once in 30 s, however many unknown key ids callers send.
 *
 * @param options.uri returns the URL of the JWK set (RFC 7517 §5); called before every load
 * @param options.now a clock in seconds
 * @returns a key set that rejects with {@link McpOAuthError} `keysUnavailable`
 */
export function createKeySet (
  { uri, log, now }: { uri: () => Promise<string>, log?: Log | undefined, now?: () => number }
): KeySet {
  return cached({ load, freshFor: keysFreshSeconds, staleFor: keysStaleSeconds, now })

  async function load (): Promise<JWTVerifyGetKey> {
    let source = ''
    try {
      const url = await uri()
      const { host, pathname } = new URL(url)
      source = ` from ${host}${pathname}`
      const set = await fetchJson(url)
      const problem = problemOfKeys(set)
      if (problem) throw failure('providerMisbehaved', `the JWK set ${problem}`)
      return createLocalJWKSet(set as unknown as JSONWebKeySet)
    } catch (error) {
      const cause = new Error(`no keys${source}`, { cause: error })
      log?.warn({ err: cause }, 'Could not load the keys of the identity provider')
      throw new McpOAuthError('keysUnavailable', { cause })
    }
  }
}

// One secret key makes the set invalid: its publisher no longer controls what is signed.
function problemOfKeys ({ keys }: Readonly<Record<string, unknown>>): string | null {
  if (!Array.isArray(keys) || keys.length === 0) return 'has no keys'
  if (keys.length > maxProviderKeys) return `has more than ${maxProviderKeys} keys`
  if (!keys.every(key => typeof key?.kty === 'string')) return 'contains an invalid key'
  return keys.some(secretMemberOf) ? 'contains a secret' : null
}
