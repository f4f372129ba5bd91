/** Is a token request well-formed, and what does it ask for? One parser per grant. */

import { maxGrantChars } from '../limits.ts'
import type { GrantType } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { tokenExchange } from './grant-types.ts'
import {
  invalidRequest,
  required,
  resourceOf,
  single,
  verbatim,
  type RequestParameters
} from './parameters.ts'
import { parseScope } from './scope.ts'

/** A request to redeem an authorization code. */
export type AuthorizationCodeRequest = ReturnType<typeof parseAuthorizationCode>

/** Reads the parameters of one grant. `resource` is the resource that tokens are for. */
export type GrantParser = (
  params: RequestParameters,
  resource: string
) => { grantType: GrantType }

type UserGrant = { parse: typeof parseAuthorizationCode | typeof parseRefreshToken }

/** The grants that the login of a user needs. */
export const userGrantParsers: Partial<Record<GrantType, UserGrant>> = {
  authorization_code: { parse: parseAuthorizationCode },
  refresh_token: { parse: parseRefreshToken }
}

export const userGrants = Object.keys(userGrantParsers) as readonly GrantType[]

/** The first grant that only clients that authenticate may use. */
export const machineIn = (grantTypes: readonly string[]) =>
  grantTypes.find(type => type === 'client_credentials' || type === tokenExchange)

/**
 * Returns the grant of a token request.
 *
 * @param grants the offered grants
 * @throws {McpOAuthError} `unsupportedGrantType`; `invalidRequest` if it is missing or repeated
 */
export function grantOf<Grant> (
  params: RequestParameters,
  grants: Partial<Record<GrantType, Grant>>
): Grant {
  const grantType = required(params, 'grant_type', verbatim)
  const grant = Object.hasOwn(grants, grantType) ? grants[grantType as GrantType] : undefined
  if (grant === undefined) throw new McpOAuthError('unsupportedGrantType')
  return grant
}

/**
 * Reads the form of a token request. Parameters that its grant does not use are ignored.
 *
 * @param grants the accepted grants
 * @throws {McpOAuthError} `unsupportedGrantType`, before any other parameter is read;
 *   `invalidRequest` for a missing, repeated or malformed parameter; `invalidTarget` for another
 *   resource; `invalidScope`; `invalidGrant` for a code or token that we cannot have issued
 */
export function parseTokenRequest<Grant extends { parse: GrantParser }> (
  params: RequestParameters,
  resource: string,
  grants: Partial<Record<GrantType, Grant>>
): ReturnType<Grant['parse']> {
  const grant = grantOf(params, grants)
  // Not every grant uses them, but none accepts them twice.
  for (const name of ['client_id', 'redirect_uri']) single(params, name)
  verbatim(params, 'scope')
  return grant.parse(params, resource) as ReturnType<Grant['parse']>
}

/**
 * Reads the parameters of the grant `authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.5). A
 * `scope` has no effect.
 */
export function parseAuthorizationCode (params: RequestParameters, ours: string) {
  const resource = resourceOf(params, ours)
  const codeVerifier = required(params, 'code_verifier')
  // RFC 7636 §4.1.
  if (!/^[\w.~-]{43,128}$/.test(codeVerifier)) {
    throw invalidRequest('The code verifier is malformed.')
  }
  return {
    grantType: 'authorization_code' as const,
    code: issued(params, 'code'),
    codeVerifier,
    /** As sent. The caller compares it with the one of the authorization request. */
    redirectUri: single(params, 'redirect_uri'),
    /** Our resource, in our spelling (RFC 8707 §2). */
    resource
  }
}

/** Reads the parameters of the grant `refresh_token` (RFC 6749 §6). */
export function parseRefreshToken (params: RequestParameters, ours: string) {
  return {
    grantType: 'refresh_token' as const,
    resource: resourceOf(params, ours),
    refreshToken: issued(params, 'refresh_token'),
    /** Scopes to which the client wants to narrow the grant. */
    scopes: scopesOf(params)
  }
}

/** Reads the parameters of the grant `client_credentials` (RFC 6749 §4.4.2). */
export function parseClientCredentials (params: RequestParameters, ours: string) {
  return {
    grantType: 'client_credentials' as const,
    resource: resourceOf(params, ours),
    scopes: scopesOf(params)
  }
}

export function scopesOf (params: RequestParameters) {
  const scopes = parseScope(verbatim(params, 'scope') ?? '')
  return scopes.length > 0 ? scopes : undefined
}

export function issued (params: RequestParameters, name: string) {
  const value = required(params, name, verbatim)
  if (value.length > maxGrantChars || !/^[\x20-\x7e]+$/.test(value)) {
    throw new McpOAuthError('invalidGrant')
  }
  return value
}
