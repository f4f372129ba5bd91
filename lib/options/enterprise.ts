/** Which options have the grants of identity assertions and workloads? */
import {
  maxClaimPatternChars,
  maxTrustedIssuers,
  maxWorkloadClaims
} from '../limits.ts'
import { asymmetricAlgorithms } from '../oauth/public-keys.ts'
import { missingScopes } from '../oauth/scope.ts'
import { problemOfServerUrl } from '../oauth/url.ts'
import { Type } from '../schemas/type.ts'
import {
  callable,
  checked,
  closed,
  expect,
  issuer,
  list,
  optional,
  scope,
  text,
  url,
  withDefault
} from './fields.ts'
import type { MapSubject } from '../types.ts'
import { isPlainObject } from '../util/json.ts'

const clientIds = optional(list(text))
const audiences = optional(list(text))
const algorithms = optional(
  list(
    expect<string>(
      `one that is asymmetric: ${asymmetricAlgorithms.join(', ')}`,
      name => asymmetricAlgorithms.includes(String(name))
    )
  )
)

/** An issuer in front of a subject. */
const trustedIssuer = checked(
  issuer,
  value =>
    value.includes('|') ? 'must not contain |, which separates it from subjects. Encode it' : null
)

export const TrustedIssuerSchema = Type.Object({
  /** Issuer identifier of the identity provider (`iss`), byte for byte. */
  issuer: trustedIssuer,
  /** URL of its JWK set. Default: that of its metadata. */
  jwksUri: optional(url()),
  /** Accepted audiences (`aud`) beside our issuer identifier. */
  audience: audiences,
  /**
   * Ids of the clients that may send its assertions. Default: all that authenticate. A public
   * client needs an entry.
   */
  clients: clientIds,
  /** Accepted signature algorithms. Default `RS256`, `PS256`, `ES256`, `EdDSA` and `Ed25519`. */
  algorithms,
  /** Scopes that its assertions may grant at most. Default: theirs, or else `requiredScopes`. */
  scopes: optional(list(scope)),
  /**
   * Returns the subject (`sub`) of our tokens, such as the one of a login with the broker; null to
   * refuse. Default: the issuer, `|`, and the subject of the assertion.
   */
  mapSubject: optional(callable<MapSubject>())
}, closed)

/** Returns what to give in place of the claims that a workload must have, or null. */
function claimsProblem (claims: unknown) {
  if (!isPlainObject(claims)) return 'an object of claims'
  const values = Object.values(claims)
  if (typeof claims.sub !== 'string') return 'a sub: without it, all workloads of the issuer pass'
  if (values.length > maxWorkloadClaims) return `at most ${maxWorkloadClaims} claims`
  const isClaim = (value: unknown) =>
    typeof value === 'boolean' || Number.isFinite(value) ||
    (typeof value === 'string' && value.length <= maxClaimPatternChars && !/^\**$/.test(value))
  return values.every(isClaim)
    ? null
    : 'strings, numbers or booleans. A string needs more than *'
}

export const WorkloadSchema = Type.Object({
  /** Issuer of the tokens of the platform (`iss`), byte for byte. */
  issuer: checked(
    text,
    value =>
      value.includes('|') ? 'must not contain |, which separates it from subjects. Encode it' : null
  ),
  /** URL of its JWK set. Default: that of its metadata, if the issuer is a URL. */
  jwksUri: optional(url()),
  /** Accepted audiences (`aud`) beside the URL of our token endpoint and our issuer identifier. */
  audience: audiences,
  /** Accepted signature algorithms. Default `RS256`, `PS256`, `ES256`, `EdDSA` and `Ed25519`. */
  algorithms,
  /**
   * Claims that a token must have, `sub` among them. `*` in a text stands for characters other than
   * `/` and `:`.
   */
  claims: expect<Readonly<Record<string, string | boolean | number>>>(
    "claims such as { sub: 'spiffe://example.org/ns/prod/sa/agent' }",
    claims => claimsProblem(claims) ?? true
  ),
  /** Scopes of its access tokens. */
  scopes: list(scope),
  /** Ids of listed clients that authenticate with its tokens (RFC 7523, section 2.2). */
  clients: clientIds
}, closed)

/** The options of grants without a page. */
export const enterpriseOptions = {
  /**
   * Broker: identity providers whose identity assertions (ID-JAG) clients exchange for access
   * tokens, without a page.
   */
  trustedIssuers: withDefault(
    [],
    checked(
      list(TrustedIssuerSchema, {
        minItems: 0,
        maxItems: maxTrustedIssuers
      }),
      entries => {
        const issuers = entries.map(({ issuer }) => issuer)
        const twice = issuers.find((issuer, at) => issuers.indexOf(issuer) !== at)
        return twice === undefined ? null : `must name ${twice} once. Merge its entries`
      }
    )
  ),
  /**
   * Broker: workloads that exchange the tokens of their platform, such as Kubernetes, SPIFFE or
   * GitHub Actions, for access tokens. A draft of November 2026.
   */
  workloads: withDefault([], list(WorkloadSchema, { minItems: 0, maxItems: maxTrustedIssuers }))
}

/** The rules of both options: whether broken, and a line. */
export function enterpriseRules (
  { clients = [], trustedIssuers = [], workloads = [], requiredScopes = [], scopeHierarchy }: {
    requiredScopes?: readonly string[]
    scopeHierarchy?: Record<string, readonly string[]>
    clients?: ReadonlyArray<{ clientId: string, secretHashes?: unknown, jwks?: unknown }>
    trustedIssuers?: ReadonlyArray<{ clients?: readonly string[], scopes?: readonly string[] }>
    workloads?: ReadonlyArray<{
      issuer: string
      jwksUri?: string
      clients?: readonly string[]
      scopes: readonly string[]
    }>
  }
) {
  /** Tokens without these would be refused everywhere. */
  const lackingIn = (name: string, scopes: readonly string[] = requiredScopes) => {
    const lacking = missingScopes(scopes, requiredScopes, scopeHierarchy).join(' ')
    return [lacking, `${name}.scopes: lacks ${lacking} of requiredScopes. Add it`] as const
  }
  const find = (id: string) => clients.find(({ clientId }) => clientId === id)
  const unknownIn = (name: string, ids: readonly string[] = [], mayBeUrl = false) =>
    ids.map((id, index) =>
      [
        !find(id) && !(mayBeUrl && id.startsWith('https://')),
        `${name}.clients.${index}: ${JSON.stringify(id)} is given, which clients does not list. ` +
        'Correct it, or list the client'
      ] as const
    )
  return [
    ...trustedIssuers.flatMap(({ clients: ids, scopes }, at) => [
      ...unknownIn(`trustedIssuers.${at}`, ids, true),
      lackingIn(`trustedIssuers.${at}`, scopes)
    ]),
    ...workloads.flatMap(({ issuer, jwksUri, clients: ids = [], scopes }, at) => [
      lackingIn(`workloads.${at}`, scopes),
      [
        !jwksUri && problemOfServerUrl(issuer) !== null,
        `workloads.${at}.jwksUri: missing, required for an issuer that is not an https URL. ` +
        'Give the URL of its JWK set'
      ] as const,
      ...unknownIn(`workloads.${at}`, ids),
      ...ids.map((id, index) =>
        [
          find(id)?.secretHashes ?? find(id)?.jwks,
          `workloads.${at}.clients.${index}: ${
            JSON.stringify(id)
          } has secretHashes or jwks, but a ` +
          'client authenticates in one way. Keep one'
        ] as const
      )
    ])
  ]
}
