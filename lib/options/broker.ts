/** Which members do the options of the broker have, and which lifetimes must exceed which? */
import type { Static } from '@sinclair/typebox'
import {
  accessTokenSeconds,
  codeSeconds,
  loginSeconds,
  maxClientProofs,
  maxListedClientIdChars,
  maxTokenLifetimeSeconds,
  refreshAbsoluteSeconds,
  refreshGraceSeconds,
  refreshTokenSeconds
} from '../limits.ts'
import { publicKeyProblem } from '../oauth/public-keys.ts'
import { Type } from '../schemas/type.ts'
import { grantTypes, type AuthorizeUser, type Store } from '../types.ts'
import { ConsentOptionsSchema, displayName } from './consent.ts'
import { enterpriseOptions, enterpriseRules } from './enterprise.ts'
import {
  callable,
  checked,
  closed,
  flag,
  list,
  oneOf,
  optional,
  scope,
  seconds,
  text,
  withDefault
} from './fields.ts'

const secretHash = Type.String({
  pattern: '^sha256:[A-Za-z0-9_-]{43}$',
  description: "the hash of a secret: 'sha256:' and its SHA-256 in base64url"
})
const publicKey = checked(
  Type.Unsafe<object>(Type.Object({}, { additionalProperties: true })),
  publicKeyProblem
)

export const ClientSchema = Type.Object({
  /** The id the client is configured with. */
  clientId: Type.String({ minLength: 1, maxLength: maxListedClientIdChars }),
  /** Name of the client on the consent page. */
  name: optional(displayName),
  /** Its redirect URIs. Required with the grant type `authorization_code`. */
  redirectUris: optional(list(text)),
  /**
   * `sha256:` and the SHA-256, in base64url, of its secret; several while secrets are being
   * replaced.
   */
  secretHashes: optional(list(secretHash, { maxItems: maxClientProofs })),
  /** Its public keys as a JWK set: it signs assertions (`private_key_jwt`) and has no secret. */
  jwks: optional(Type.Object({
    keys: Type.Array(publicKey, { minItems: 1, maxItems: maxClientProofs })
  }, closed)),
  /**
   * Grant types it may use. Default `['authorization_code', 'refresh_token']`.
   * `'client_credentials'` is for machines, which need a secret or a key.
   */
  grantTypes: optional(list(oneOf(...grantTypes))),
  /**
   * Scopes it may have at most, as a machine and for its users. Default: as a machine
   * `requiredScopes`, for its users the scopes that any client may have.
   */
  scopes: optional(list(scope))
}, closed)

/** A lifetime in seconds, between a minute and ten years. */
const lifetime = seconds(60, 315_360_000)

/** A client that need not register. */
export interface ClientOptions extends Static<typeof ClientSchema> {}

export const LifetimesSchema = Type.Object({
  /** The consent page, and after it the login at the provider. Default 600. */
  consent: withDefault(loginSeconds, seconds(60, 86_400)),
  /** From the redirect to the client until it redeems its code. Default 60. */
  code: withDefault(codeSeconds, seconds(10, 600)),
  /** An access token, or as long as the provider's if that is shorter. Default 3600. */
  access: withDefault(accessTokenSeconds, seconds(60, maxTokenLifetimeSeconds)),
  /** A refresh token that is not used. Default 30 days. */
  refreshIdle: withDefault(refreshTokenSeconds, lifetime),
  /** From the login until the user has to log in again. Default 90 days. */
  refreshAbsolute: withDefault(refreshAbsoluteSeconds, lifetime),
  /**
   * From its registration until a client must register again for a new login; its refresh tokens
   * stay valid. Default: no limit.
   */
  registration: withDefault(null, lifetime)
}, closed)

export const RefreshSchema = Type.Object({
  /**
   * Seconds for which copies of a refresh token work once its successor was used. Default 600. A
   * longer time delays the detection of theft.
   */
  grace: withDefault(refreshGraceSeconds, seconds(0, 86_400)),
  /**
   * After that, of a client without credentials or a key: `'revoke'` (the default) ends the grant,
   * `'refuse'` refuses the request.
   */
  onReuse: withDefault('revoke' as const, oneOf('revoke', 'refuse'))
}, closed)

/** Requests in a minute. */
const requests = optional(Type.Integer({ minimum: 1 }))

export const RateLimitsSchema = Type.Object({
  /** To `/oauth/register`. */
  register: requests,
  /** To `/oauth/authorize`, `/oauth/consent` and `/oauth/callback`, each. */
  authorize: requests,
  /** Refused ones to `/oauth/token`, `/oauth/revoke` and `/oauth/backchannel-logout`, each. */
  token: requests
}, closed)

/** The options that only the broker has. */
export const brokerOptions = {
  /** Broker: decides who may have which scopes, after the login at the provider. */
  authorizeUser: withDefault(null, callable<AuthorizeUser>()),
  /**
   * Broker: let tools see the provider's access token as `request.mcpAuth.upstream`. Default
   * `false`.
   */
  upstreamToken: withDefault(false, flag),
  /**
   * Broker: whether requests for scopes that this server does not know are granted without them
   * (`'ignore'`, the default) or refused.
   */
  unknownScopes: withDefault('ignore', oneOf('ignore', 'refuse')),
  /** Broker: lifetimes, in seconds. */
  lifetimes: withDefault({}, LifetimesSchema),
  /**
   * Broker: also revoke a grant that ends at the provider, where that may sign out other clients of
   * the user. Default `true`.
   */
  revokeAtProvider: withDefault(true, flag),
  /**
   * Broker: serve `POST /oauth/backchannel-logout`, so that a logout at the provider ends logins
   * here. Default `false`.
   */
  backchannelLogout: withDefault(false, flag),
  /** Broker: refresh tokens that are used more than once. */
  refresh: withDefault({}, RefreshSchema),
  /**
   * Broker: list the grants of users, for `app.mcpOAuth.grants()` and the page of their
   * applications. Default `false`.
   */
  grantIndex: withDefault(false, flag),
  /** Broker: look and texts of the consent page and of error pages. */
  consent: withDefault({}, ConsentOptionsSchema),
  /**
   * Broker: accept the URL of a metadata document as a client id. Default `true`; `allowedHosts`
   * limits the hosts of these documents.
   */
  clientIdMetadata: withDefault(
    true,
    Type.Union([flag, Type.Object({ allowedHosts: list(text) }, closed)])
  ),
  /**
   * Broker: clients that need not register. Those with a secret or a key may be machines, without
   * any user.
   */
  clients: withDefault([], list(ClientSchema, { minItems: 0 })),
  ...enterpriseOptions,
  /**
   * Broker at the root: also serve `/authorize`, `/token` and `/register`, for clients that read no
   * metadata. Default `false`.
   */
  legacyEndpoints: withDefault(false, flag)
}

/** Whether a listed client can prove who it is. */
export const canAuthenticate = (
  { clientId, secretHashes, jwks }: ClientOptions,
  workloads: ReadonlyArray<{ clients?: readonly string[] }> = []
) => secretHashes || jwks || workloads.some(({ clients }) => clients?.includes(clientId))

/** The rules of lifetimes, refreshes, grants and clients: whether broken, and a line. */
export function storedRules ({ lifetimes = {}, refresh = {}, grantIndex, store, ...given }: {
  lifetimes?: Static<typeof LifetimesSchema>
  refresh?: Static<typeof RefreshSchema>
  grantIndex?: boolean
  store?: Store
  setupFakeDynamicRegistration?: boolean
  clientIdMetadata?: unknown
} & Parameters<typeof enterpriseRules>[0]) {
  const {
    access = accessTokenSeconds,
    refreshIdle = refreshTokenSeconds,
    refreshAbsolute = refreshAbsoluteSeconds
  } = lifetimes
  const { grace = refreshGraceSeconds } = refresh
  const idle = ['lifetimes.refreshIdle', refreshIdle] as const
  return [
    ...enterpriseRules(given),
    atLeast(idle, ['lifetimes.access', access]),
    atLeast(idle, ['refresh.grace', grace]),
    atLeast(['lifetimes.refreshAbsolute', refreshAbsolute], idle),
    [
      given.setupFakeDynamicRegistration === false && given.clientIdMetadata === false &&
      ![given.clients, given.workloads].some(entries => entries?.length),
      'clients: missing, and clients can neither register nor have documents. Add clients, or allow ' +
      'setupFakeDynamicRegistration or clientIdMetadata'
    ] as const,
    [
      grantIndex && store && !store.index,
      'grantIndex: the store has no index. Use redisStore, or give your store the member index'
    ] as const
  ]
}

type Lifetime = readonly [option: string, seconds: number]

/** The rule that an option is at least as long as another. */
function atLeast ([option, seconds]: Lifetime, [other, least]: Lifetime) {
  return [
    seconds < least,
    `${option}: ${seconds} seconds are shorter than ${other}, which is ${least}. Change one of the two`
  ] as const
}
