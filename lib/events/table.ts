/** Which events are there, what does each say, and which of them are in the log? */

/** An OAuth client. */
export interface EventClient {
  /**
   * Null in `login.completed` and `login.denied` if it has more than 128 characters:
   * `login.started` of the same grant has it.
   */
  readonly id: string | null
  /** The unverified name that it gave itself, null if it is not known here. */
  readonly name: string | null
}

/** Members of every event. Those about a caller are missing where there is none, or not yet. */
export interface EventContext {
  /** When it happened, in milliseconds since 1970. */
  readonly time: number
  /** Prefix of the registration. */
  readonly prefix: string
  /** `request.id` of the request that caused it. */
  readonly requestId?: string
  /** `request.ip` of that request. */
  readonly address?: string
  /** The user, as the access token names them in `sub`. */
  readonly subject?: string | undefined
  readonly client?: EventClient | undefined
  /** Id of the grant: all tokens of one login have it. */
  readonly grant?: string | undefined
  readonly scopes?: readonly string[] | undefined
}

/** The members of each event beside its context. `docs/events.md` has the same table. */
export interface EventDetails {
  /** A client registered (RFC 7591). */
  'client.registered': { readonly redirectUris: readonly string[] }
  /** The consent page was shown. */
  'login.started': { readonly redirectUri: string }
  /** The browser is on its way back to the client, with a code. The user is not known yet. */
  'login.completed': object
  /** Somebody said no: the user, the provider, or `authorizeUser`. */
  'login.denied': { readonly by: 'user' | 'provider' | 'policy', readonly reason: string }
  /** A client redeemed its code: the user is logged in. */
  'code.redeemed': object
  /** A client got new tokens for a refresh token. */
  'token.refreshed': object
  /** A machine client got a token, or an agent one for another subject: `actor` is its `sub`. */
  'token.issued': { readonly actor?: string }
  /** A token request was refused. */
  'token.refused': {
    readonly grantType: string
    readonly error: string
    readonly reason: string
  }
  /** A refresh token was used long after it was replaced. `ended`: the grant was revoked. */
  'token.reused': { readonly ended: boolean, readonly reason: string }
  /** Tokens were revoked. */
  'grant.revoked': {
    readonly by: 'client' | 'user' | 'operator' | 'provider' | 'reuse'
    /** The user, client, session or time of the tokens, where it was not one grant. */
    readonly filter?: object
  }
  /** A guard refused a request, or a rate limit the first one of an address in a minute. */
  'request.denied': {
    readonly status: number
    readonly error: string
    readonly reason: string
  }
  /** A caller was asked for more scopes (403): `missing` of `scopes`. */
  'scopes.requested': { readonly missing: readonly string[] }
  /** A tool was called. */
  'tool.called': {
    readonly tool: string
    readonly outcome: 'ok' | 'error' | 'denied' | 'cancelled'
    readonly ms: number
  }
  /** The provider, or a part of it, does not respond as it should. */
  'provider.failed': {
    readonly host: string
    /** Its endpoints, or the keys of its access tokens. */
    readonly part: 'endpoints' | 'keys'
    readonly reason: string
  }
  /** It works again after `ms`. */
  'provider.recovered': {
    readonly host: string
    readonly part: 'endpoints' | 'keys'
    readonly ms: number
  }
  /** The store fails. */
  'store.failed': { readonly reason: string }
  /** It works again after `ms`. */
  'store.recovered': { readonly ms: number }
  /** The provider signs with other keys. */
  'keys.rotated': {
    readonly host: string
    readonly added: readonly string[]
    readonly removed: readonly string[]
  }
}

export type EventType = keyof EventDetails

/** An event of one type, as subscribers get it. */
export type EventOf<Type extends EventType> = EventContext & EventDetails[Type] & {
  readonly type: Type
}

/** An event, as `onEvent` and the channels `fastify-mcp-oauth:<type>` get it. */
export type McpOAuthEvent = { [Type in EventType]: EventOf<Type> }[EventType]

/**
 * All types, each with the level and the sentence of its line in the log. Null: no line, as the
 * response or a line of its own has it.
 */
export const eventLines: Record<EventType, readonly ['info' | 'warn' | 'error', string] | null> = {
  'client.registered': null,
  'login.started': null,
  'login.completed': null,
  'login.denied': ['info', 'A login was denied'],
  'code.redeemed': ['info', 'A user logged in'],
  'token.refreshed': null,
  'token.issued': null,
  'token.refused': ['info', 'A token request was refused'],
  'token.reused': [
    'warn',
    'A refresh token was used again long after it was replaced: it may be stolen. ' +
    'Ask the user whether the client is theirs'
  ],
  'grant.revoked': ['info', 'Tokens were revoked'],
  'request.denied': null,
  'scopes.requested': null,
  'tool.called': null,
  'provider.failed': [
    'error',
    'Logins or tokens fail because of the provider. Read the reason: it names the fault or setting'
  ],
  'provider.recovered': ['info', 'The provider works again'],
  'store.failed': [
    'error',
    'The store fails: logins and refreshes get 503, and so do calls while it cannot be read. ' +
    'Check the store, and the network to it'
  ],
  'store.recovered': ['info', 'The store works again'],
  'keys.rotated': ['info', 'The provider changed its keys']
}
