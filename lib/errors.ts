import type { ErrorPageName } from './pages/messages/en.ts'

const unavailable = 'temporarily_unavailable'

/**
 * Every failure this package can report, one line each: kind, HTTP status, OAuth error,
 * sentence for the wire. Sentences are fixed and keep to the characters RFC 6749 §5.2 allows; what
 * a caller sent is never repeated in them.
 */
export const errorTable = {
  // At start-up. The sentence is followed by what was found and how to mend it.
  invalidOptions: [500, 'server_error', 'The options are invalid'],
  publicUrlRequired: [500, 'server_error', 'The URL that clients use is unknown'],
  rootNotFound: [500, 'server_error', 'The root Fastify instance was not found'],
  duplicateRegistration: [500, 'server_error', 'Two registrations serve the same URL'],
  ambiguousRegistration: [500, 'server_error', 'The registration is ambiguous or unknown'],
  invalidTools: [500, 'server_error', 'The tools are invalid'],

  // Tokens and proofs, RFC 6750 §3.1, RFC 9449 §7.1. Without credentials, no error is named.
  missingToken: [401, 'invalid_token', 'An access token is required.'],
  invalidToken: [401, 'invalid_token', 'The access token is not valid here.'],
  invalidDpopProof: [401, 'invalid_dpop_proof', 'The DPoP proof is missing or not valid here.'],
  useDpopNonce: [
    401,
    'use_dpop_nonce',
    'A DPoP proof with the nonce of this response is required.'
  ],
  insufficientScope: [
    403,
    'insufficient_scope',
    'The access token lacks a scope this request needs.'
  ],

  // Requests
  invalidRequest: [400, 'invalid_request', 'The request is malformed.'],
  notFound: [404, 'invalid_request', 'There is nothing at this URL.'],
  methodNotAllowed: [405, 'invalid_request', 'This method is not allowed here.'],
  tooManyRequests: [429, unavailable, 'Too many requests; try again later.'],
  payloadTooLarge: [413, 'invalid_request', 'The request body is too large.'],
  hostNotAllowed: [
    403,
    'access_denied',
    'This Host is not served here; the operator can list it in allowedHosts.'
  ],
  originNotAllowed: [
    403,
    'access_denied',
    'This Origin is not allowed here; the operator can list it in allowedOrigins.'
  ],

  // Authorization and token endpoints, RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, OpenID Connect Core
  // §3.1.2.6
  invalidClient: [401, 'invalid_client', 'The client is unknown or could not be authenticated.'],
  invalidGrant: [
    400,
    'invalid_grant',
    'The grant is invalid, expired, used, or belongs to another client.'
  ],
  unauthorizedClient: [400, 'unauthorized_client', 'This client may not use this grant type.'],
  unsupportedGrantType: [400, 'unsupported_grant_type', 'This grant type is not supported.'],
  unsupportedResponseType: [
    400,
    'unsupported_response_type',
    'Only the response type code is supported.'
  ],
  invalidScope: [400, 'invalid_scope', 'The requested scope is invalid or unknown.'],
  invalidTarget: [400, 'invalid_target', 'The requested resource is not served here.'],
  accessDenied: [403, 'access_denied', 'The request was denied.'],
  interactionRequired: [
    400,
    'interaction_required',
    'The user has to take part; prompt=none is not possible.'
  ],
  requestNotSupported: [400, 'request_not_supported', 'Request objects are not supported.'],
  requestUriNotSupported: [
    400,
    'request_uri_not_supported',
    'Request object references are not supported.'
  ],

  // Registration, RFC 7591 §3.2.2
  invalidRedirectUri: [400, 'invalid_redirect_uri', 'A redirect URI is not acceptable.'],
  invalidClientMetadata: [400, 'invalid_client_metadata', 'The client metadata is not acceptable.'],

  // Faults of others: never a reason to throw credentials away, always worth a retry
  keysUnavailable: [503, unavailable, 'Access tokens cannot be checked at the moment.'],
  clientUnavailable: [503, unavailable, 'The client cannot be authenticated at the moment.'],
  providerUnavailable: [
    503,
    unavailable,
    'The authorization provider is unavailable at the moment.'
  ],
  providerMisbehaved: [502, unavailable, 'The authorization provider sent an unusable response.'],
  providerTimeout: [504, unavailable, 'The authorization provider did not respond in time.'],
  overloaded: [503, unavailable, 'The server has too many requests at the moment.'],
  requestInProgress: [503, unavailable, 'Another request of this client is still in progress.'],
  closing: [503, unavailable, 'The server is closing; try again in some seconds.'],
  storeUnavailable: [503, unavailable, 'The server cannot process this request at the moment.'],
  policyUnavailable: [503, unavailable, 'The call cannot be authorized at the moment.'],
  internal: [500, 'server_error', 'The server failed to process this request.']
} as const satisfies Record<
  string,
  readonly [statusCode: number, error: string, sentence: string]
>

/** Names a line of the error table. */
export type ErrorKind = keyof typeof errorTable

type UpperSnakeCase<Name extends string> = Name extends `${infer Letter}${infer Rest}`
  ? `${Letter extends Uppercase<Letter> ? `_${Letter}` : Uppercase<Letter>}${UpperSnakeCase<Rest>}`
  : ''

/** Codes of errors: `FST_MCP_OAUTH_INVALID_TOKEN` for the kind `invalidToken`. */
export type ErrorCode = `FST_MCP_OAUTH_${UpperSnakeCase<ErrorKind>}`

const codes = Object.fromEntries(
  Object.keys(errorTable).map(kind => [
    kind,
    `FST_MCP_OAUTH_${kind.replace(/[A-Z]/g, '_$&').toUpperCase()}`
  ])
) as Record<ErrorKind, ErrorCode>

const brand = Symbol.for('fastify-mcp-oauth.error')

/** Details of one error, beside its line of the table. */
export interface ErrorDetails {
  /** A fixed sentence that says more than the table's. Never built from input. */
  description?: string
  /** Scopes the challenge names (RFC 6750 §3). */
  scopes?: readonly string[]
  /** In place of the table's: the token endpoint responds with 400 for 401 (RFC 6749 §5.2). */
  statusCode?: number
  /** Seconds until a retry makes sense. Defaults to 5 for 502, 503 and 504. */
  retryAfter?: number
  /** The reason, for the log only. */
  cause?: unknown
  /** The page that describes it, where kind and step of a login do not tell. */
  page?: ErrorPageName
}

/**
 * The error class of this package.
 *
 * `code` is stable and meant for programs, `statusCode` is the HTTP status, `error` the OAuth error
 * name and `message` the sentence that may leave the server. The reason is in `cause` and goes to
 * the log only. `instanceof` also holds for errors of another copy of this package.
 */
// Not made by @fastify/error: its classes have no OAuth error, scopes and typed code, and their
// messages are templates, which input could get into.
export class McpOAuthError extends Error {
  static override [Symbol.hasInstance] (value: unknown): value is McpOAuthError {
    return Object(value)[brand] === true
  }

  override readonly name = 'McpOAuthError'
  readonly kind: ErrorKind
  readonly code: ErrorCode
  readonly statusCode: number
  readonly error: string
  readonly scopes: readonly string[] | undefined
  readonly retryAfter: number | undefined
  readonly page: ErrorPageName | undefined

  constructor (
    kind: ErrorKind,
    { description, scopes, statusCode, retryAfter, cause, page }: ErrorDetails = {}
  ) {
    const [status, error, sentence] = errorTable[kind]
    const { stackTraceLimit } = Error
    if (status < 500) setStackTraceLimit(0)
    super(description ?? sentence, cause === undefined ? undefined : { cause })
    setStackTraceLimit(stackTraceLimit)
    this.kind = kind
    this.code = codes[kind]
    this.statusCode = statusCode ?? status
    this.error = error
    this.scopes = scopes
    this.page = page
    this.retryAfter = retryAfter ?? (this.statusCode > 501 ? 5 : undefined)
  }

  get [brand] (): true {
    return true
  }
}

/**
 * The stack of a refusal is in no log, and most of its cost. Never throws: Node.js can be told to
 * freeze `Error`.
 */
function setStackTraceLimit (limit: number) {
  try {
    Error.stackTraceLimit = limit
  } catch {}
}

/** An error of the table, with its reason for the log. */
export function failure (kind: ErrorKind, reason: string): McpOAuthError {
  const { stackTraceLimit } = Error
  if (errorTable[kind][0] < 500) setStackTraceLimit(0)
  const cause = new Error(reason)
  setStackTraceLimit(stackTraceLimit)
  return new McpOAuthError(kind, { cause })
}

/** Whether an error is a refusal (4xx), which the same request would get again; not a fault. */
export const isRefusal = (error: unknown): error is McpOAuthError =>
  error instanceof McpOAuthError && error.statusCode < 500

/** The error for a code or refresh token, with its reason for the log. */
export const invalidGrant = (reason: string) => failure('invalidGrant', reason)

/** A cause that quotes a value of another party, for the log only. */
export function causeWith (reason: string, written: unknown): Error {
  return new Error(`${reason}: ${quoted(written)}`)
}

/** Quotes a value of another party: cut to 200 characters, and without the user info of a URL. */
export function quoted (value: unknown): string {
  return escaped(
    typeof value === 'string'
      ? JSON.stringify(value.replace(/\/\/[^/?#]*@/, '//…@').slice(0, 200))
      : JSON.stringify(value)?.slice(0, 200) ?? 'nothing'
  )
}

/**
 * Escapes what changes the look of a log line: control, format (bidirectional, zero-width),
 * private-use and lone surrogate characters, and line separators. Line feeds, which stacks contain,
 * stay: loggers escape them. Other values than strings are returned as they are.
 */
export function escaped<Value> (value: Value): Value {
  // Most texts have nothing to escape, which this expression finds out sooner.
  if (typeof value !== 'string' || /^[\n\x20-\x7e]*$/.test(value)) return value
  return value.replaceAll(
    /(?!\n)[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu,
    character => `\\u{${character.codePointAt(0)?.toString(16)}}`
  ) as Value
}

/** A start-up error: the table's sentence, then one line per problem, each with a full stop. */
export function startupError (kind: ErrorKind, ...problems: string[]): McpOAuthError {
  return new McpOAuthError(kind, {
    description: [
      `${errorTable[kind][2]}:`,
      ...problems.map(problem => problem.replace(/[^.?]$/, '$&.'))
    ].join('\n  - ')
  })
}
