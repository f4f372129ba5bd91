import type { Preset } from '../../../lib/providers/index.ts'

// How does one identity provider behave, as data that the emulator serves? Facts only: each has a
// source, and `'unknown'` is a value. The emulator takes an unknown fact in its strictest meaning.

export type Fact<T> = T | 'unknown'

/** Where facts come from. */
export interface Source {
  /** Address of the page, thread, or file of the provider's own source code. */
  url: string
  heading: string
  /** Date of the page if it has one, or that of reading it: `2026-11-28`. */
  date: string
  /** The facts it supports, in a few words or as members: `refresh.graceSeconds`. */
  facts: string
}

/** How a request is refused. */
export interface Refusal {
  /** The error code, such as `invalid_scope`. */
  error: string
  description?: string
  /** Further members of the response, such as `error_codes`. */
  members?: Readonly<Record<string, unknown>>
  /** HTTP status outside authorization responses. Default: 401 for `invalid_client`, else 400. */
  status?: number
  /** Where an authorization request shows it: a page of the provider, or the client (default). */
  at?: 'page' | 'client'
}

/** Refuses a request for one of its parameters. */
export interface Rule {
  parameter: string
  /** `present` is the default. */
  when?: 'present' | 'absent'
  /** The only values that are refused: whole ones, or one word of several (`prompt`). */
  values?: readonly string[]
  answer: Refusal
}

export interface User {
  /** Short name, such as `alice`: what the login page is given. */
  id: string
  /** A number of its own, for providers that count their accounts. */
  number: number
  name: string
  email: string
  emailVerified: boolean
  roles: readonly string[]
}

/** A login, as functions of facts see it. */
export interface Grant {
  user: User
  clientId: string
  /** The granted scopes. */
  scope: readonly string[]
  /** Parameters of the authorization request. */
  parameters: Readonly<Record<string, string>>
  /** Id of the user's session in the browser. */
  session: string
  /** Id of this login. */
  id: string
  issuer: string
  /** Whether the tokens are those of a refresh. */
  isRefresh: boolean
}

type ClaimsOf = (grant: Grant) => Readonly<Record<string, unknown>>

/** One provider with one set of settings. */
export interface ProviderFacts {
  /** The preset, and the settings these facts are for: `okta-org`. */
  id: string
  /** The provider's own name. */
  name: string
  sources: readonly Source[]
  /** Facts that no public source states, in a few words each. */
  unsourced?: readonly string[]
  /** Byte for byte. */
  issuer: string
  /** Options of the plugin for this provider. Default: `oidc()` with the issuer. */
  preset?: (client: { clientId: string, clientSecret: string }) => Preset
  /** The metadata as published, and where; null if there are none. */
  metadata: {
    urls: readonly string[]
    document: Readonly<Record<string, unknown>>
  } | null
  /** URLs that the metadata do not have, by the names of RFC 8414 and OpenID Connect Discovery. */
  endpoints?: Readonly<Record<string, string>>
  authorization: AuthorizationFacts
  token: TokenFacts
  accessToken: AccessTokenFacts
  /** Null if there are no ID tokens. */
  idToken: IdTokenFacts | null
  /** The endpoint that describes the user of an access token; null if there is none. */
  userinfo: UserinfoFacts | null
  refresh: RefreshFacts
  /** Null if tokens cannot be revoked. */
  revocation: RevocationFacts | null
  /** Members of published keys beside the key itself. Default: all of these. */
  keyMembers?: ReadonlyArray<'kid' | 'use' | 'alg'>
}

export interface AuthorizationFacts {
  /** What is refused. Parameters without a rule are ignored, such as `resource`. */
  rules: readonly Rule[]
  scopes: {
    /** `any` where every name is accepted. */
    known: readonly string[] | 'any'
    others: Fact<Refusal | 'ignored'>
    /** Without `scope`: the granted scopes, or a refusal. */
    absent: Fact<readonly string[] | Refusal>
  }
  /** Whether a challenge must be sent, is verified if it was sent, or is never verified. */
  pkce: 'required' | 'optional' | 'ignored'
  /** Default: `['S256', 'plain']`. */
  challengeMethods?: readonly string[]
  /** `below`: a path below the registered one is accepted too. */
  redirectUri: 'exact' | 'below'
  /** The page for a redirect URI that is not registered. */
  redirectUriRefusal?: Refusal
  /** The page for a client id that does not exist. */
  clientRefusal?: Refusal
  /** When the user declines. */
  denied: Refusal
  /** Further rules, for what data cannot say. Null accepts the request. */
  check?: (parameters: Readonly<Record<string, string>>) => Refusal | null
  /** Further parameters of a successful response, such as `iss` and `session_state`. */
  adds?: (grant: Grant) => Readonly<Record<string, string>>
  /** The scopes that are granted, where they differ from those requested. */
  grants?: (scope: readonly string[]) => readonly string[]
}

/** Situations in which a token request is refused. */
export type TokenFault =
  | 'client'
  | 'grantType'
  | 'code'
  | 'verifier'
  | 'redirectUri'
  | 'refreshToken'
  | 'expiredRefreshToken'
  | 'reusedRefreshToken'

export interface TokenFacts {
  /** How clients authenticate. `none` is for public clients. */
  authentication: ReadonlyArray<'client_secret_basic' | 'client_secret_post' | 'none'>
  rules: readonly Rule[]
  /** `form`: a form, unless the request accepts JSON. */
  format: 'json' | 'form'
  /** Answers where they differ from RFC 6749 §5.2 with its status 400, or 401 for the client. */
  faults: Readonly<Partial<Record<TokenFault, Refusal>>>
  /** Lifetime in seconds of authorization codes. */
  codeSeconds: Fact<number>
  /** Default: `Bearer`. */
  type?: string
  /** The member `expires_in`: absent, a number, or the number as text. */
  expiresIn: 'absent' | 'number' | 'text'
  /** The member `scope`: a list with spaces or commas, or absent. */
  scope: 'spaces' | 'commas' | 'absent'
  /** Further members of a successful response. */
  adds?: ClaimsOf
  /** Further rules for valid codes and refresh tokens. Null accepts the request. */
  check?: (grant: Grant, parameters: Readonly<Record<string, string>>) => Refusal | null
  /** Documented errors that no request causes here, for `faults` of the emulator. */
  others?: Readonly<Record<string, Refusal>>
}

export interface AccessTokenFacts {
  /** A function decides by the login, such as by its `audience`. */
  format: 'opaque' | 'jwt' | ((grant: Grant) => 'opaque' | 'jwt')
  seconds: number
  /** Begin of opaque tokens, such as `gho_`. */
  prefix?: string
  /** The JWT's header beside `alg` and `kid`. */
  header?: Readonly<Record<string, unknown>>
  /** Claims of a JWT beside `iat` and `exp`. */
  claims?: ClaimsOf
}

export interface IdTokenFacts {
  algorithm: 'RS256' | 'ES256' | 'ES384'
  seconds: number
  /** Claims beside `iss`, `aud`, `iat`, `exp` and `nonce`. `undefined` leaves out one of these. */
  claims: ClaimsOf
  /** Whether a refresh returns one, too, and whether it has the nonce of the login. */
  onRefresh: Fact<boolean>
  nonceOnRefresh?: boolean
  /** Whether a login has one without the scope `openid`. */
  withoutOpenid?: boolean
}

export interface UserinfoFacts {
  claims: ClaimsOf
  /** A scope without which tokens are refused. */
  scope?: string
  /** Headers without which it is refused. */
  headers?: readonly string[]
  /** The answer to an invalid token. Default: 401 `invalid_token`. */
  refusal?: Refusal
  /** Refuses valid tokens that are for another API. Null accepts one. */
  check?: (grant: Grant) => Refusal | null
}

export interface RefreshFacts {
  /**
   * When a login returns a refresh token. `unlessGranted`: with the first consent only, or where
   * `prompt` has `consent`.
   */
  issued: 'never' | 'always' | {
    scope?: string
    parameters?: Readonly<Record<string, string>>
    unlessGranted?: boolean
  }
  /**
   * What a refresh returns. `kept`: no refresh token, the old one stays. `repeated`: the same one.
   * `added`: a new one, the old one stays. `replaced`: a new one, the old one ends.
   */
  rotation: 'kept' | 'repeated' | 'added' | 'replaced'
  /** How long a replaced one is accepted. Default 0. */
  graceSeconds?: Fact<number>
  /** What a replaced one does after that. */
  reuse?: Fact<'refused' | 'endsGrant'>
  /** Lifetime since the login, and without use; null if it has no end. */
  seconds: Fact<number | null>
  idleSeconds?: Fact<number | null>
  prefix?: string
  /** Number of refresh tokens for a user and client; the oldest ends. */
  maxTokens?: number
  /** Scopes at a refresh: `ignored`, or refused if they were not granted. */
  scope?: 'ignored' | 'granted'
}

/** What ends: a token, its login, its session in the browser, or all logins of the user. */
export type Extent = 'token' | 'login' | 'session' | 'consent'

export interface RevocationFacts {
  refreshToken: Extent | 'ignored'
  /** `ignored` answers 200 and ends nothing. */
  accessToken: Extent | 'ignored' | Refusal
  /** The answer to a token it does not know. */
  unknown: Fact<'ok' | Refusal>
  /** `none`: it takes tokens from everyone. */
  authentication: 'client' | 'none'
  /** Default 200. */
  status?: number
}
