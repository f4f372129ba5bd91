import { causeWith, McpOAuthError } from '../errors.ts'
import type { RequestParameters } from './parameters.ts'
import { single, verbatim } from './parameters.ts'
import { isChallenge } from './pkce.ts'
import type { RedirectPolicy } from './redirect-uri.ts'
import { redirectUriMatches, redirectUriProblem } from './redirect-uri.ts'
import { resourceOf } from './resource-parameter.ts'
import { parseScope } from './scope.ts'

/** A checked authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2). */
export interface AuthorizationRequest {
  redirectUri: string
  responseType: 'code'
  /** S256, always. */
  codeChallenge: string
  scopes: string[]
  /** To be handed back unchanged; absent if the client sent none. */
  state?: string
  /** Our resource, in our spelling. */
  resource: string
}

/** What an authorization request is held against. */
export interface AuthorizationRules {
  /** The resource tokens are for; taken if the client names none. */
  resource: string
  /** Scopes a client may ask for, or `null` for any. */
  knownScopes: readonly string[] | null
  /** Scopes of a client that asks for none. Defaults to none. */
  defaultScopes?: readonly string[]
}

/** Longest `state`, in characters. */
const maxStateLength = 2048

/**
 * The client that asks. Throws `invalidRequest`, which is answered on the spot: there is no one to
 * redirect to (RFC 6749 §4.1.2.1).
 */
export function clientIdOf (params: RequestParameters): string {
  const clientId = single(params, 'client_id')
  if (clientId === undefined) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The parameter client_id is missing.'
    })
  }
  return clientId
}

/**
 * Where the answer goes: the asked URI if it is registered, else the only registered one if none is
 * asked for. The policy is applied to the URI at hand, so that it also binds clients which
 * registered under an older one.
 *
 * Throws `invalidRequest`, which is answered on the spot and never by redirecting (RFC 6749
 * §4.1.2.1).
 */
export function redirectUriOf (
  params: RequestParameters,
  registered: readonly string[],
  policy: RedirectPolicy
): string {
  const asked = single(params, 'redirect_uri')
  const uri = asked ?? (registered.length === 1 ? registered[0] : undefined)
  if (uri === undefined) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The parameter redirect_uri is missing.'
    })
  }
  if (!redirectUriMatches(registered, uri) || redirectUriProblem(uri, policy) !== null) {
    throw new McpOAuthError('invalidRequest', {
      description: 'The redirect URI is not registered for this client.',
      cause: causeWith('the redirect URI that was asked for', uri)
    })
  }
  return uri
}

/**
 * The state to hand back with an error: none if it was not sent, sent twice, or is too long to be
 * repeated. Never throws.
 */
export function stateOf (params: RequestParameters): string | undefined {
  const values = params.get('state')
  const state = values?.[0]
  return values?.length === 1 && state !== undefined && state.length <= maxStateLength
    ? state
    : undefined
}

/**
 * Checks all but the client and its redirect URI. What it throws may be sent to `redirectUri`, with
 * {@link stateOf} the parameters.
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

  return {
    redirectUri,
    responseType,
    codeChallenge: codeChallengeOf(params),
    resource: resourceOf(params, rules.resource) ?? rules.resource,
    scopes: requestedScopes(params, rules),
    ...state !== undefined && { state }
  }
}

function codeChallengeOf (params: RequestParameters): string {
  const challenge = single(params, 'code_challenge')
  if (challenge === undefined) {
    throw malformed('PKCE is required: the parameter code_challenge is missing.')
  }
  // No method means plain (RFC 7636 §4.3), which protects nothing.
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
  const unknown = knownScopes === null ? [] : scopes.filter((scope) => !knownScopes.includes(scope))
  if (unknown.length > 0) {
    throw new McpOAuthError('invalidScope', {
      cause: causeWith('nobody can have these scopes', unknown.join(' '))
    })
  }
  return scopes
}

function malformed (description: string): McpOAuthError {
  return new McpOAuthError('invalidRequest', { description })
}
