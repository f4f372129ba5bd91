/** Is an authorization request valid, and where may its response go? */

import { causeWith, McpOAuthError } from '../errors.ts'
import { maxStateChars } from '../limits.ts'
import {
  invalidRequest,
  required,
  resourceOf,
  single,
  verbatim,
  type RequestParameters
} from './parameters.ts'
import { redirectUriMatches, redirectUriProblem, type RedirectPolicy } from './redirect-uri.ts'
import { requestedScopes, type ScopeRules } from './scope.ts'

/** A valid authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2). */
export type AuthorizationRequest = ReturnType<typeof parseAuthorizationRequest>

/** The rules of one authorization server. */
export interface AuthorizationRules extends ScopeRules {
  /** The resource that tokens are for, and the default of the parameter. */
  resource: string
}

/** Values of `prompt` that are passed on to the provider (OpenID Connect Core §3.1.2.1). */
const prompts = ['login', 'consent', 'select_account', 'create']

/**
 * Returns the requested redirect URI if it is registered, or the only registered one if none is
 * requested. The policy also binds clients that registered under an older one.
 *
 * @throws {McpOAuthError} `invalidRequest`, never to be redirected (RFC 6749 §4.1.2.1)
 */
export function redirectUriOf (
  params: RequestParameters,
  registered: readonly string[],
  policy: RedirectPolicy
) {
  const [only] = registered.length === 1 ? registered : []
  const uri = single(params, 'redirect_uri') ?? only ?? required(params, 'redirect_uri')
  if (!redirectUriMatches(registered, uri) || redirectUriProblem(uri, policy) !== null) {
    throw invalidRequest('The redirect URI is not registered for this client.', {
      page: 'redirectUri',
      cause: causeWith('the requested redirect URI', uri)
    })
  }
  return uri
}

/**
 * Returns the `state` for an error response: none if it is absent, repeated or too long to be
 * returned. Never throws.
 */
export function stateOf (params: RequestParameters) {
  const [state, second] = params.get('state') ?? []
  return second === undefined && (state ?? '').length <= maxStateChars ? state : undefined
}

/** Returns the values of `prompt` for the provider, as far as we pass them on. */
export function promptOf (params: RequestParameters) {
  const values = single(params, 'prompt')?.split(' ').filter(value => prompts.includes(value))
  return values?.join(' ') || undefined
}

/**
 * Checks everything but the client and its redirect URI.
 *
 * @throws {McpOAuthError} errors that may be sent to `redirectUri`, with {@link stateOf}
 */
export function parseAuthorizationRequest (
  params: RequestParameters,
  redirectUri: string,
  rules: AuthorizationRules
) {
  const state = stateOf(params)
  if (state === undefined && params.has('state')) {
    throw invalidRequest('The parameter state is repeated or too long.')
  }
  checkSupport(params)
  return {
    redirectUri,
    /** Its method is S256. */
    codeChallenge: codeChallengeOf(params),
    /** Our resource, in our spelling. */
    resource: resourceOf(params, rules.resource) ?? rules.resource,
    scopes: requestedScopes(verbatim(params, 'scope') ?? '', rules),
    /** To be returned unchanged. */
    state
  }
}

/** Parameters without a value count as absent (RFC 6749 §3.1). */
function isSent (params: RequestParameters, name: string) {
  return params.get(name)?.some(value => value !== '') === true
}

function checkSupport (params: RequestParameters) {
  if (isSent(params, 'request')) throw new McpOAuthError('requestNotSupported')
  if (isSent(params, 'request_uri')) throw new McpOAuthError('requestUriNotSupported')
  if (required(params, 'response_type') !== 'code') {
    throw new McpOAuthError('unsupportedResponseType')
  }
  if ((single(params, 'response_mode') ?? 'query') !== 'query') {
    throw invalidRequest('Only the response mode query is supported.')
  }
  if (single(params, 'prompt')?.split(' ').includes('none') === true) {
    throw new McpOAuthError('interactionRequired')
  }
}

function codeChallengeOf (params: RequestParameters) {
  const challenge = single(params, 'code_challenge')
  if (challenge === undefined) {
    throw invalidRequest('PKCE is required: the parameter code_challenge is missing.')
  }
  // An absent method means plain (RFC 7636 §4.3), which protects nothing.
  if (single(params, 'code_challenge_method') !== 'S256') {
    throw invalidRequest('Only the code challenge method S256 is supported.')
  }
  // SHA-256 in base64url (RFC 7636 §4.2).
  if (!/^[\w-]{43}$/.test(challenge)) throw invalidRequest('The code challenge is malformed.')
  return challenge
}
