/** Is an identity assertion or a workload token from an issuer that the operator trusts? */

import { isForOtherUse, parseCompact } from '../verifiers/claims.ts'
import { invalidGrant, McpOAuthError, quoted } from '../errors.ts'
import { assertionSkewSeconds, idTokenCooldownSeconds } from '../limits.ts'
import {
  type AssertionClaims,
  type AssertionKind,
  hasClaims,
  kindOf,
  problemOfAssertion,
  withTrustDomain
} from '../oauth/assertion-grant.ts'
import { signatureAlgorithms } from '../oauth/public-keys.ts'
import { problemOfServerUrl } from '../oauth/url.ts'
import type { Config } from '../options/config.ts'
import { createProviderDiscovery } from '../provider/discovery.ts'
import { createKeySet, type KeySet, verifyAssertion } from '../provider/keys.ts'
import { assertUnused, type SingleUse } from '../store/single-use.ts'
import type { OneTimeMarks } from '../store/one-time.ts'
import type { Log } from '../types.ts'
import { hash } from '../util/hash.ts'

type TrustedIssuer = Config['trustedIssuers'][number]
type Workload = Config['workloads'][number]

/** A valid assertion, and the entry of the options that it fits. */
export interface VerifiedAssertion<Entry> {
  entry: Entry
  claims: AssertionClaims
  /** The mark that makes it valid once. */
  use: SingleUse
}

/** The issuers of one registration. */
export type Issuers = ReturnType<typeof createIssuers>

/**
 * Creates the verification of assertions. Keys are loaded with the first assertion of an issuer.
 *
 * @param issuer returns our issuer identifier
 */
export function createIssuers ({ config, issuer, marks, log }: {
  config: Pick<Config, 'trustedIssuers' | 'workloads'>
  issuer: () => string
  marks: Pick<OneTimeMarks, 'claim' | 'consume' | 'isConsumed'>
  log: Log
}) {
  const keySets = new Map<string, KeySet>()

  /** One for each URL: several entries may have one issuer. */
  function keysOf ({ issuer, jwksUri }: TrustedIssuer | Workload) {
    const key = `${issuer} ${jwksUri ?? ''}`
    const known = keySets.get(key)
    if (known) return known
    const discovery = problemOfServerUrl(issuer) === null
      ? createProviderDiscovery({ issuer, required: ['jwks_uri'], log })
      : null
    const uri = async () => jwksUri ?? (await discovery?.metadata())?.jwks_uri
    const created = createKeySet({ uri, log, cooldown: idTokenCooldownSeconds })
    keySets.set(key, created)
    return created
  }

  /**
   * @throws {McpOAuthError} `invalidGrant`, the same for all that is wrong with an assertion;
   *   `keysUnavailable` if the keys of its issuer cannot be loaded; `storeUnavailable`
   */
  async function verify<Entry extends TrustedIssuer | Workload> (
    kind: AssertionKind,
    entries: readonly Entry[],
    assertion: string,
    now: number,
    fits: (entry: Entry, claims: AssertionClaims) => boolean = () => true
  ): Promise<VerifiedAssertion<Entry>> {
    const parsed = parseCompact(assertion)
    if (parsed === null || !parsed.isCanonical) {
      throw invalidGrant('the assertion is not a signed JWT')
    }
    const { header } = parsed
    const claims = kind === 'workload' ? withTrustDomain(parsed.claims) : parsed.claims
    const ofIssuer = entries.filter(({ issuer }) => issuer === claims.iss)
    const option = kind === 'workload' ? 'workloads' : 'trustedIssuers'
    const isAssertion = kind === 'workload' && ofIssuer.length === 0 &&
      config.trustedIssuers.some(({ issuer }) => issuer === claims.iss)
    if (isAssertion) {
      throw invalidGrant('its typ is not oauth-id-jag+jwt: it is no identity assertion')
    }
    if (ofIssuer.length === 0) {
      throw invalidGrant(`its issuer is ${quoted(claims.iss)}, which ${option} does not list`)
    }
    const own = [issuer(), ...(kind === 'workload' ? [`${issuer()}/oauth/token`] : [])]
    if (kind === 'token' && isForOtherUse(claims)) throw invalidGrant('it is not an access token')
    const valid = claims as unknown as AssertionClaims
    // That of a workload is no user.
    const sub = kind === 'workload' ? ` ${quoted(claims.sub)}` : ''
    let reason = `no entry of ${option} has its claims, such as its sub${sub}`
    let unavailable: unknown
    // Two clusters may have one name, and keys of their own.
    for (const entry of ofIssuer.filter(entry => fits(entry, valid))) {
      const { algorithms = signatureAlgorithms, audience = [] } = entry
      const rules = { kind, audiences: [...own, ...audience], now }
      // No keys are loaded for a token that is invalid in any case.
      const problem = problemOfAssertion(header, claims, rules) ??
        await problemOfSignature(assertion, keysOf(entry), algorithms)
          .catch((error: unknown) => {
            unavailable ??= error
            return String(error)
          })
      if (problem === null) {
        // An assertion is for one grant: no other takes it again.
        const markKind = kind === 'workload' ? kind : 'id-jag'
        return { entry, claims: valid, use: await useOf(markKind, assertion, valid, now) }
      }
      reason = `the assertion is invalid: ${problem}`
    }
    // The keys of another entry may have verified it.
    throw unavailable ?? invalidGrant(reason)
  }

  /** Nothing is written for an assertion that is invalid. */
  async function useOf (
    kind: AssertionKind,
    assertion: string,
    claims: AssertionClaims,
    now: number
  ) {
    const { iss, jti, exp } = claims
    const use: SingleUse = {
      marks,
      kind,
      id: `${iss} ${jti ?? hash(assertion)}`,
      // The clock of another instance may be behind ours.
      ttl: exp - now + 2 * assertionSkewSeconds,
      used: () => invalidGrant('the assertion was used before')
    }
    // A store that takes no writes would not take the mark, and each instance accept a replay.
    await marks.claim(`${kind}-seen`, use.id, '', use.ttl)
    await assertUnused(use)
    return use
  }

  return {
    /** Verifies an identity assertion (ID-JAG). */
    verifyIdentity: (assertion: string, now: number) =>
      verify('id-jag', config.trustedIssuers, assertion, now),

    /** Verifies the token of a subject or actor, which a listed client exchanges. */
    verifyToken: (token: string, now: number, clientId: string) =>
      verify(
        kindOf(token) === 'id-jag' ? 'id-jag' : 'token',
        config.trustedIssuers,
        token,
        now,
        ({ clients }) => clients?.includes(clientId) !== false
      ),

    /**
     * Verifies the token of a workload.
     *
     * @param clientId of the listed client that it authenticates. Default: it stands for itself
     */
    verifyWorkload: (assertion: string, now: number, clientId?: string) =>
      verify(
        'workload',
        config.workloads,
        assertion,
        now,
        ({ claims, clients }, given) =>
          hasClaims(given, claims) &&
          (clientId === undefined || clients?.includes(clientId) === true)
      )
  }
}

/** @returns the reason why a signature is invalid, or null */
async function problemOfSignature (
  assertion: string,
  keys: KeySet,
  algorithms: readonly string[]
) {
  const description = 'The keys of the issuer of the assertion are not available at the moment.'
  try {
    // The rules of assertions check all times, with errors of their own.
    const options = { algorithms: [...algorithms], clockTolerance: Number.MAX_SAFE_INTEGER }
    await verifyAssertion(
      assertion,
      keys,
      options,
      cause => new McpOAuthError('keysUnavailable', { description, cause })
    )
    return null
  } catch (cause) {
    if (cause instanceof McpOAuthError) throw cause
    return (cause as Error).message
  }
}
