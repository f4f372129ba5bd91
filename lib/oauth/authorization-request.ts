/** Is an authorization request valid, and where may its response go? */

import { causeWith, McpOAuthError } from '../errors.ts'
import { maxStateChars } from '../limits.ts'
import type { RequestParameters } from './parameters.ts'
import { single, verbatim } from './parameters.ts'
import { isChallenge } from './pkce.ts'
import type { RedirectPolicy } from './redirect-uri.ts'
import { redirectUriMatches, redirectUriProblem } from './redirect-uri.ts'
import { resourceOf } from './resource-parameter.ts'
import { parseScope } from './scope.ts'

/** A valid authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2). */
export interface AuthorizationRequest {
  redirectUri: string
  /** Its method is S256. */
  codeChallenge: string
  scopes: string[]
  /** To be returned unchanged; absent if the client sent none. */
  state?: string
  /** Our resource, in our spelling. */
  resource: string
}

/** The rules of one authorization server. */
export interface AuthorizationRules {
  /** The resource that tokens are for, and the default of the parameter. */
  resource: string
  /** Scopes that a client may request, or `null` for any. */
  knownScopes: readonly string[] | null
  /** Scopes of a client that requests none. Defaults to none. */
  defaultScopes?: readonly string[]
}

/** Values of `prompt` that are passed on to the provider (OpenID Connect Core §3.1.2.1). */
const prompts = ['login', 'consent', 'select_account']

/**
 * Returns the id of the client.
 *
 * @throws {McpOAuthError} `invalidRequest`, never to be redirected (RFC 6749 §4.1.2.1)
 */
export function clientIdOf (params: RequestParameters): string {
  const clientId = single(params, 'client_id')
  if (clientId === undefined) throw malformed('The parameter client_id is missing.')
  return clientId
}

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
): string {
  const [first, second] = registered
  const uri = single(params, 'redirect_uri') ?? (second === undefined ? first : undefined)
  if (uri === undefined) throw malformed('The parameter redirect_uri is missing.')
  if (!redirectUriMatches(registered, uri) || redirectUriProblem(uri, policy) !== null) {
    throw malformed(
      'The redirect URI is not registered for this client.',
      causeWith('the requested redirect URI', uri)
    )
  }
  return uri
}

/**
 * Returns the `state` for an error response: none if it is absent, repeated or too long to be
 * returned. Never throws.
 */
export function stateOf (params: RequestParameters): string | undefined {
  const [state, second] = params.get('state') ?? []
  return second === undefined && state !== undefined && state.length <= maxStateChars
    ? state
    : undefined
}

/** Returns the `prompt` for the provider, if it is one that we pass on. */
export function promptOf (params: RequestParameters): string | undefined {
  const prompt = single(params, 'prompt')
  return prompt !== undefined && prompts.includes(prompt) ? prompt : undefined
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
): AuthorizationRequest {
  const state = stateOf(params)
  if (state === undefined && params.has('state')) {
    throw malformed('The parameter state is repeated or too long.')
  }
  checkSupport(params)
  return {
    redirectUri,
    codeChallenge: codeChallengeOf(params),
    resource: resourceOf(params, rules.resource) ?? rules.resource,
    scopes: requestedScopes(params, rules),
    ...state !== undefined && { state }
  }
}

function checkSupport (params: RequestParameters): void {
  if (params.has('request')) throw new McpOAuthError('requestNotSupported')
  if (params.has('request_uri')) throw new McpOAuthError('requestUriNotSupported')
  const responseType = single(params, 'response_type')
  if (responseType === undefined) throw malformed('The parameter response_type is missing.')
  if (responseType !== 'code') throw new McpOAuthError('unsupportedResponseType')
  if ((single(params, 'response_mode') ?? 'query') !== 'query') {
    throw malformed('Only the response mode query is supported.')
  }
  if (single(params, 'prompt')?.split(' ').includes('none') === true) {
    throw new McpOAuthError('interactionRequired')
  }
}

function codeChallengeOf (params: RequestParameters): string {
  const challenge = single(params, 'code_challenge')
  if (challenge === undefined) {
    throw malformed('PKCE is required: the parameter code_challenge is missing.')
  }
  // An absent method means plain (RFC 7636 §4.3), which protects nothing.
  if (single(params, 'code_challenge_method') !== 'S256') {
    throw malformed('Only the code challenge method S256 is supported.')
  }
  if (!isChallenge(challenge)) throw malformed('The code challenge is malformed.')
  return challenge
}

function requestedScopes (
  params: RequestParameters,
  { knownScopes, defaultScopes = [] }: AuthorizationRules
): string[] {
  const scopes = parseScope(verbatim(params, 'scope') ?? '')
  if (scopes.length === 0) return [...defaultScopes]
  const unknown = scopes.filter((scope) => knownScopes?.includes(scope) === false)
  if (unknown.length > 0) {
    throw new McpOAuthError('invalidScope', {
      cause: causeWith('unknown scopes', unknown.join(' '))
    })
  }
  return scopes
}

function malformed (description: string, cause?: Error): McpOAuthError {
  return new McpOAuthError('invalidRequest', { description, cause })
}
