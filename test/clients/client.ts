// Which facts of an MCP client decide whether it logs in? Data only: the driver replays any of it.

/** A fact that no source states. The driver takes the commonest way, and says so. */
export const unknown = 'unknown'

export type Fact<T> = T | typeof unknown

export type Json = string | number | boolean | null | Json[] | { [member: string]: Json }

/** Where facts come from. */
export interface Source {
  /** The facts that it states, in words. */
  shows: string
  /** An address with heading or thread, or `request of the installed version`. */
  at: string
  /** Day on which it was written or read, as `2026-11-28`. */
  date: string
  /** The members it is the source of. Without it: all that no other source lists. */
  members?: ReadonlyArray<keyof ClientFacts>
}

/**
 * A URL with placeholders. `{mcp}` is the MCP URL and `{issuer}` the issuer that was found, each
 * also as `{mcp.origin}` and `{mcp.path}` (empty for the root, without a slash at its end).
 * `{challenge}` is `resource_metadata` of the challenge: without one the URL is skipped.
 */
export type UrlTemplate = string

/** How it gets a client id: a metadata document's URL, a registration, or one that users enter. */
export type Identification = 'document' | 'registration' | 'configured'

/**
 * A place that scopes are taken from: the challenge, `scopes_supported` of the resource or of the
 * authorization server, the user's configuration, or a fixed text.
 */
export type ScopeSource =
  | 'challenge'
  | 'resource metadata'
  | 'server metadata'
  | 'configuration'
  | { fixed: string }

export type AuthenticationMethod =
  | 'none'
  | 'client_secret_post'
  | 'client_secret_basic'
  | 'private_key_jwt'

/** Requests of the OAuth flow. */
export type RequestKind = 'authorize' | 'token' | 'refresh'

/**
 * A reaction to a refused request. The next one of a list follows if one is impossible or fails. If
 * the repeated request is refused with the same status, the client stops.
 */
export type Reaction =
  /** Uses its refresh token, then repeats the request. */
  | 'refresh'
  /** Sends the user to the authorization endpoint, then repeats the request. */
  | 'log in'
  /** Forgets its client id, registers and logs in. */
  | 'register again'
  /** Opens a new MCP session, then repeats the request. */
  | 'initialize'
  /** Repeats the request as it was. */
  | 'repeat'
  /** Tries the HTTP+SSE transport of 2024-11-05. */
  | 'old transport'
  /** Reports an error. */
  | 'stop'

export interface ClientFacts {
  /** As users know it. */
  name: string
  /** The version that the facts are about. */
  version: Fact<string>
  sources: readonly Source[]

  /**
   * Protocol versions, the one it begins with first. Those from 2026-07-28 on have no `initialize`;
   * a list that begins with one and has an older one begins with `server/discover`.
   */
  protocolVersions: Fact<readonly string[]>
  /** Its first request: to the MCP URL without a token, or for metadata. */
  beginsWith: Fact<'POST' | 'GET' | 'HEAD' | 'metadata'>
  /**
   * Statuses of a refused `initialize` after which it tries the HTTP+SSE transport of 2024-11-05,
   * which begins with a GET of the MCP URL. Absent: no source states it.
   */
  oldTransport?: Fact<readonly number[]>
  /** Whether it opens the GET stream after `initialize`. */
  opensStream: Fact<boolean>
  /** Where it looks for protected resource metadata (RFC 9728), in this order. */
  resourceMetadata: Fact<readonly UrlTemplate[]>
  /** The issuer it assumes if it found no resource metadata. `null`: it stops. */
  issuerWithoutResourceMetadata: Fact<UrlTemplate | null>
  /** Where it looks for authorization server metadata (RFC 8414), in this order. */
  serverMetadata: Fact<readonly UrlTemplate[]>
  /** What it does without server metadata: `/authorize`, `/token` and `/register`, or an error. */
  withoutServerMetadata: Fact<'default endpoints' | 'stop'>
  /** Headers of its requests for metadata. */
  discoveryHeaders: Fact<Readonly<Record<string, string>>>

  /** Its ways to have a client id, the preferred one first. */
  identification: Fact<readonly Identification[]>
  /**
   * Its metadata document (CIMD), as published; members of the body that no source quotes are
   * `unknown`. `null`: it has none.
   */
  document: Fact<{ url: Fact<string>, body: Fact<Readonly<Record<string, Json>>> } | null>
  /**
   * The body of its registration (RFC 7591). `{redirectUri}`, `{port}` and `{scope}` are filled in;
   * a member whose value is `{scope}` is left out if no scope was chosen. `null`: it never
   * registers.
   */
  registration: Fact<Readonly<Record<string, Json>> | null>
  /**
   * Redirect URIs of its authorization requests, the usual one first; `{port}` and `{random}` (32
   * hexadecimal digits) are filled in.
   */
  redirectUris: Fact<readonly string[]>
  /** Ports it listens on: fixed ones in their order, or free ones. `null`: its URI has none. */
  ports: Fact<readonly number[] | 'ephemeral' | null>

  /** Where the scopes of its authorization request come from. The first that has some wins. */
  scope: Fact<readonly ScopeSource[]>
  /** Scopes it adds, always or where the authorization server advertises them. */
  addedScopes: Fact<ReadonlyArray<{ scope: string, when: 'always' | 'advertised' }>>
  /**
   * The parameter `resource` (RFC 8707): the published one, or the MCP URL as entered; as it stands
   * there, in the form of URL parsers (`https://a.example/`), or with or without a slash at the
   * end; and the requests that have it. `null`: it sends none.
   */
  resource: Fact<
    {
      value: Fact<'published' | 'mcp'>
      spelling: Fact<'unchanged' | 'parsed' | 'with slash' | 'without slash'>
      at: Fact<readonly RequestKind[]>
    } | null
  >
  /** The code challenge method (RFC 7636). `null`: it uses no PKCE. */
  pkce: Fact<'S256' | 'plain' | null>
  /** The parameter `state`; `{random}` is filled in. `null`: it sends none. */
  state: Fact<string | null>
  /** The parameter `prompt`, always or if it requests `offline_access`. `null`: it sends none. */
  prompt: Fact<{ value: string, when: 'always' | 'offline_access' } | null>
  /** Other parameters of its authorization requests. */
  authorizationParameters: Fact<Readonly<Record<string, string>>>

  /** How it authenticates at the token endpoint: methods in order of preference. */
  tokenAuthentication: Fact<readonly AuthenticationMethod[]>
  /** `null`: it never refreshes. */
  refresh: Fact<
    {
      /** Seconds before the expiry at which it refreshes. `null`: only after a 401. */
      secondsBefore: Fact<number | null>
      /** The parameter `scope`: that of its login, the granted one, with those it adds, or none. */
      scope: Fact<'requested' | 'granted' | 'granted and added' | null>
    } | null
  >

  /** After HTTP 401. */
  on401: Fact<readonly Reaction[]>
  /** After HTTP 403 with `insufficient_scope`. */
  on403: Fact<readonly Reaction[]>
  /** The scope of a login after 403: of the challenge, with those it had, or as at its login. */
  stepUpScope: Fact<'challenge' | 'challenge and granted' | 'login'>
  /** After HTTP 404 to a request with a session. */
  on404: Fact<readonly Reaction[]>
  /** After HTTP 5xx. */
  on5xx: Fact<readonly Reaction[]>
  /** What it does when the user signs out or removes the server, in this order. */
  signOut: Fact<
    ReadonlyArray<'revoke refresh token' | 'revoke access token' | 'end session' | 'forget'>
  >
  /**
   * Habits that have no member, and reasons why a step must fail, with the section of a standard.
   */
  quirks: readonly string[]
  /** Steps that fail at a server that keeps to the standards, each with the reason. */
  cannot?: Readonly<Partial<Record<Step, string>>>
}

/** What a client does at a server, in this order. */
export const steps = [
  'register',
  'log in',
  'list',
  'call',
  'refresh',
  'step up',
  'sign out',
  'log in again'
] as const

export type Step = typeof steps[number]
