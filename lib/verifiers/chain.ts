/** Which verifiers check the access tokens of a registration, and which of them decides? */
import type { JWTVerifyGetKey } from 'jose'
import { failure, McpOAuthError, quoted } from '../errors.ts'
import type { Conditions } from '../host/health.ts'
import { maxIssuerSkewSeconds, maxTokenLifetimeSeconds } from '../limits.ts'
import type { Config } from '../options/config.ts'
import type { ProviderDiscovery } from '../provider/discovery.ts'
import { createKeySet } from '../provider/keys.ts'
import type { Revocations } from '../store/revocations.ts'
import type { Log, McpAuth, TokenVerifier, UpstreamAccess, VerifyContext } from '../types.ts'
import { isPlainObject } from '../util/json.ts'
import { type Claims, ending, parseCompact } from './claims.ts'
import { jwtVerifier } from './jwt.ts'
import { type KnownCaller, knownCallers } from './verifier.ts'

/** Issuer, keys and revocations of our own tokens. */
interface OwnTokenOptions {
  issuer: () => string
  keys: JWTVerifyGetKey
  /** Whether a grant, or what a token has in common with others, was revoked. */
  isRevoked: (claims: Claims) => Promise<boolean>
  /** Opens the provider's token that is sealed into ours. Null if tools do not receive it. */
  openUpstream: ((sealed: string, now: number) => Promise<UpstreamAccess | null>) | null
}

/**
 * Creates the verifier of a registration. Our own tokens are verified first, so that no verifier of
 * the user receives them.
 *
 * @param own how tokens of our own are verified, or `null` without a broker
 * @returns the verifier, or `null` if nothing verifies tokens
 */
export function createVerifier (
  { tokens, provider: account }: Config,
  provider: ProviderDiscovery | null,
  own: OwnTokenOptions | null,
  revocations: Revocations,
  log: Log,
  { keys: condition, rotated }: Partial<Conditions> = {}
): ReturnType<typeof chain> | null {
  if (tokens === 'none') return null
  const verifiers = typeof tokens === 'string' ? [] : [...tokens]
  if (tokens === 'issuer' && account !== null && provider !== null) {
    const { issuer, audience } = account
    const keys = createKeySet({
      uri: async () => (await provider.metadata()).jwks_uri,
      log,
      condition,
      rotated
    })
    verifiers.push(jwtVerifier({ issuer, audience: audience ?? undefined, keys, log }))
  }
  const verifyOwn = own && ownVerifier(own)
  return chain(
    verifyOwn ? [verifyOwn, ...verifiers] : verifiers,
    // Our own tokens say more exactly when they were issued: their verifier checks it.
    (caller, now, verify) =>
      verify !== verifyOwn && !revocations.isUnused() && isRevokedCaller(revocations, caller, now)
  )
}

/** Whether a token of another issuer was revoked here: no promise if that is known. */
function isRevokedCaller (
  { isRevoked, isUsed }: Revocations,
  { subject, clientId, claims }: McpAuth,
  now: number
) {
  const { iat } = claims ?? {}
  // A token that does not say it counts as a day old: most do not live longer.
  const isTime = typeof iat === 'number' && iat <= now + maxIssuerSkewSeconds
  const at = 1000 * (isTime ? iat : now - maxTokenLifetimeSeconds)
  const revoked = isRevoked({
    // Verifiers of the host may return a number.
    subject: subject === undefined ? subject : String(subject),
    client: clientId ? String(clientId) : undefined,
    at
  })
  if (typeof revoked === 'boolean') return revoked
  // The store did not issue these tokens: unless it has revocations, they do not depend on it.
  return revoked.catch((error) => {
    if (isUsed()) throw error
    return false
  })
}

/**
 * Combines verifiers. The first one that recognizes a token decides: a rejected token is not passed
 * to the next. Each verification is logged at level `debug`.
 *
 * @param isRevoked whether a token was revoked that a verifier accepts
 * @returns a verifier that throws {@link McpOAuthError} `invalidToken` if no verifier recognizes
 *   the token, and `keysUnavailable` if a verifier fails
 */
export function chain (
  verifiers: readonly TokenVerifier[],
  isRevoked: (
    caller: McpAuth,
    now: number,
    verify: TokenVerifier
  ) => boolean | Promise<boolean> = () => false
) {
  let isClockTold = false
  const [only] = verifiers
  const knownBy = only && verifiers.length === 1 ? knownCallers.get(only) : undefined
  return Object.assign(verify, { known })

  /** Only a token with a valid signature gets so far. */
  function warnOfClock ({ log }: VerifyContext, { issuer }: TokenVerifier, reason: unknown) {
    if (isClockTold || typeof reason !== 'string' || !reason.includes('clocks differ')) return
    isClockTold = true
    log?.warn(
      { reason },
      `The clock of this machine differs from that of ${
        issuer === undefined ? 'another instance of this server' : 'the issuer of a token'
      }. Compare both with the time`
    )
  }

  /** Returns nothing where a promise is needed to know that a token is valid, and not revoked. */
  function known (...[token, context]: Parameters<KnownCaller>) {
    const caller = knownBy?.(token, context)
    if (!caller || !only) return undefined
    const revoked = isRevoked(caller, context.now, only)
    // Its failure is that of the verification that follows.
    if (typeof revoked !== 'boolean') revoked.catch(() => {})
    if (revoked !== false) return undefined
    return caller
  }

  async function verify (token: string, context: VerifyContext): Promise<McpAuth> {
    for (const verify of verifiers) {
      try {
        const caller: unknown = await verify(token, context)
        // A mistake in a verifier of the host must not let a request pass.
        if (caller !== null && !isCaller(caller)) {
          throw new TypeError('A token verifier must return a caller or null')
        }
        if (caller !== null && await isRevoked(caller, context.now, verify)) {
          throw ending(
            failure('invalidToken', 'it was issued before its user, client or all were revoked')
          )
        }
        logResult(verify, context, caller === null ? 'unknown' : 'valid')
        if (caller !== null) return caller
      } catch (cause) {
        const error = cause instanceof McpOAuthError
          ? cause
          : new McpOAuthError('keysUnavailable', { cause })
        logResult(verify, context, error.statusCode < 500 ? 'invalid' : 'unavailable', error.cause)
        warnOfClock(context, verify, Object(error.cause).message)
        throw error
      }
    }
    const issuer = parseCompact(token)?.claims.iss
    const problem = /^(?:undefined|null)$/.test(token)
      ? `it is the text "${token}": the client has lost its token. Let it check the token response`
      : issuer === undefined
      ? 'it is opaque, or inactive. Use introspectionVerifier for opaque tokens of a provider, or the broker'
      : `its issuer is ${quoted(issuer)}, and expected is ${
        verifiers.map(verify => verify.issuer ?? 'another').join(' or ')
      }. Compare them byte by byte`
    throw failure('invalidToken', `no verifier recognizes the access token: ${problem}`)
  }
}

function logResult (
  verify: TokenVerifier,
  { log }: VerifyContext,
  outcome: string,
  reason?: unknown
) {
  log?.debug({
    verifier: verify.issuer ?? verify.name,
    outcome,
    ...(reason instanceof Error && { reason: reason.message })
  }, 'A verifier checked an access token')
}

function isCaller (value: unknown): value is McpAuth {
  if (!isPlainObject(value) || !('token' in value)) return false
  const { claims = {} } = value
  return isPlainObject(claims)
}

/**
 * Creates a verifier of access tokens that this server issued (RFC 9068). It checks signature,
 * type, issuer, audience and time by itself, and asks the store whether the grant was revoked.
 */
function ownVerifier ({ issuer, keys, isRevoked, openUpstream }: OwnTokenOptions): TokenVerifier {
  const get = async () => keys
  const set = { get, refresh: get, peek: () => keys, isCoolingDown: () => true }
  // Without publicUrl, the issuer contains the port, which is known once the app listens.
  let current: TokenVerifier | undefined
  return async function own (token, context) {
    if (current?.issuer !== issuer()) {
      current = jwtVerifier({
        issuer: issuer(),
        keys: set,
        algorithms: ['ES256'],
        requireSubject: true
      })
    }
    const caller = await current(token, context)
    if (caller === null) return null
    const all = caller.claims ?? {}
    const { gid: grant, gat, gcl, lat, sgn, ups, xat, upt: sealed, ...claims } = all
    if (typeof grant !== 'string' || await isRevoked(all)) {
      throw ending(
        failure('invalidToken', 'its grant has ended: revoked, refused, or a token was reused')
      )
    }
    const upstream = typeof sealed === 'string' && await openUpstream?.(sealed, context.now)
    return { ...caller, claims, ...(upstream && { upstream }) }
  }
}
