/** How is a JWT access token verified (RFC 9068, RFC 8725), and with which keys? */
import type { errors } from 'jose'
import { McpOAuthError } from '../errors.ts'
import { safeLogger } from '../host/replies.ts'
import { issuerSkewSeconds, maxTokenLifetimeSeconds, tokenCacheSeconds } from '../limits.ts'
import { asymmetricAlgorithms, signatureAlgorithms } from '../oauth/public-keys.ts'
import {
  checkOptions,
  expect,
  flag,
  fromEnv,
  list,
  type OptionsOf,
  url
} from '../options/fields.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import { createKeySet, joseVerify, verifyJwt, type KeySet } from '../provider/keys.ts'
import type { TokenVerifier } from '../types.ts'
import {
  callerOf,
  ending,
  mayBeIdToken,
  notYetValid,
  parseCompact,
  problemOfClaims,
  rejection,
  wrongAudience
} from './claims.ts'
import { isCertainlyValid } from './sooner.ts'
import { cachedVerifier, commonFields, lasting } from './verifier.ts'

const fields = {
  ...commonFields,
  /** URL of the JWK set. Defaults to that of the metadata of the issuer. */
  jwksUri: fromEnv(url()),
  /**
   * Accepted signature algorithms, all of them asymmetric. Defaults to `RS256`, `PS256`, `ES256`,
   * `EdDSA` and `Ed25519`.
   */
  algorithms: fromEnv(
    list(
      expect<string>(
        `one that is asymmetric: ${asymmetricAlgorithms.join(', ')}`,
        name => asymmetricAlgorithms.includes(String(name))
      )
    )
  ),
  /** Longest time from issue to expiry, in seconds. Defaults to 86,400: one day. */
  maxTokenLifetime: fromEnv(
    expect<number>('a number of seconds', value => Number.isFinite(value) && Number(value) > 0)
  ),
  /** Whether a token must have a subject (`sub`). Defaults to `false`. */
  requireSubject: fromEnv(flag),
  /** A key set that is loaded elsewhere. Replaces `jwksUri` and `metadataUrl`. */
  keys: fromEnv(expect<KeySet>('a set of keys', value => typeof Object(value).peek === 'function'))
}

/** Issuer, keys and requirements of the tokens. */
export interface JwtVerifierOptions extends OptionsOf<typeof fields> {}

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
  checkOptions('jwtVerifier', options, fields)
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
    if (parsed?.claims.iss !== issuer) return null

    const { header: { typ }, claims } = parsed
    // With a second spelling, a revoked token would pass a list of revoked tokens.
    if (!parsed.isCanonical) throw rejection('it is not canonically encoded')
    if (!types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)) {
      throw rejection('its typ is not that of an access token')
    }
    const options = {
      issuer,
      algorithms: [...algorithms],
      clockTolerance,
      audience: [context.resource, ...[audience].flat()],
      currentDate: new Date(context.now * 1000)
    }
    const known = keys.peek()
    try {
      await verifyJwt(
        token,
        keys,
        options,
        async (token, keys) =>
          await isCertainlyValid(parsed, keys, options) ||
          await joseVerify(token, keys, options)
      )
    } catch (error) {
      throw errorOf(error, options, () => keys.peek() === known && keys.isCoolingDown?.() === true)
    }
    if (mayBeIdToken(typ, claims, context.resource)) {
      throw rejection('it may be an ID token. Let the audience be that of an API, not a client id')
    }
    const problem = problemOfClaims(claims, context, rules)
    if (problem !== null) throw rejection(problem)
    return callerOf(token, claims, context)
  }
  return Object.assign(cachedVerifier(verify, { maxAge: cacheFor }), { issuer })
}

function keysOf (options: JwtVerifierOptions) {
  const log = options.log && safeLogger(options.log)
  const provider = createProviderDiscovery({ ...options, log, required: ['jwks_uri'] })
  return createKeySet({
    uri: async () => options.jwksUri ?? (await provider.metadata()).jwks_uri,
    log
  })
}

/** Codes of jose. */
const faultsOfToken = [
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_EXPIRED',
  'ERR_JWT_INVALID',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'ERR_JOSE_NOT_SUPPORTED',
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS'
]

/**
 * Only known faults of a token make it invalid: a broken key throws errors of any kind. Faults that
 * pass are not {@link lasting}: that of a token whose key is unknown, or that is not valid yet.
 *
 * @param isKeySetFixed whether a verification now would use the same keys
 */
function errorOf (
  cause: unknown,
  { issuer, audience, currentDate }: { issuer: string, audience: string[], currentDate: Date },
  isKeySetFixed: () => boolean
) {
  if (cause instanceof McpOAuthError) return cause
  const { code = '', message = '', claim, payload = {} } = Object(cause) as Partial<
    errors.JWTExpired
  >
  if (!faultsOfToken.includes(code)) return new McpOAuthError('keysUnavailable', { cause })
  const { aud, exp, nbf } = payload
  const now = currentDate.getTime() / 1000
  if (claim === 'aud') {
    const refusal = () => wrongAudience(audience, aud)
    return lasting(refusal(), refusal)
  }
  if (claim === 'nbf' && typeof nbf === 'number') return rejection(notYetValid(nbf, now))
  if (code === 'ERR_JWT_EXPIRED') {
    const refusal = (now: number) =>
      ending(rejection(`it expired ${Math.round(now - Number(exp))} s ago`))
    return lasting(refusal(now), refusal)
  }
  const error = rejection(
    code === 'ERR_JWKS_NO_MATCHING_KEY'
      ? `${issuer} has published no key with its kid and alg. Log in again if the keys were replaced`
      : message
  )
  if (code !== 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED') return error
  return lasting(error, () => isKeySetFixed() ? rejection(message) : null)
}
