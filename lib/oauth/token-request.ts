/** Is a token request well-formed, and what does it ask for? One parser per grant. */

import { maxGrantChars } from '../limits.ts'
import type { GrantType } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import type { RequestParameters } from './parameters.ts'
import { single, verbatim } from './parameters.ts'
import { isVerifier } from './pkce.ts'
import { resourceOf } from './resource-parameter.ts'
import { parseScope } from './scope.ts'

/**
 * A request to redeem an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5). Here and below,
 * members whose parameters were not sent are absent.
 */
export interface AuthorizationCodeRequest {
  grantType: 'authorization_code'
  code: string
  codeVerifier: string
  /** As sent. The caller compares it with the one of the authorization request. */
  redirectUri?: string
  /** Our resource, in our spelling (RFC 8707 §2). */
  resource?: string
}

/** A request to refresh a token (RFC 6749 §6). */
export interface RefreshTokenRequest {
  grantType: 'refresh_token'
  refreshToken: string
  resource?: string
  /** Scopes to which the client wants to narrow the grant. */
  scopes?: string[]
}

/** A request of a client for a token of its own (RFC 6749 §4.4.2). */
export interface ClientCredentialsRequest {
  grantType: 'client_credentials'
  resource?: string
  scopes?: string[]
}

/** Reads the parameters of one grant. `resource` is the resource that tokens are for. */
export type GrantParser = (
  params: RequestParameters,
  resource: string
) => { readonly grantType: GrantType }

/** Grants, each with its parser, by type. */
export type GrantParsers = Readonly<Partial<Record<GrantType, { readonly parse: GrantParser }>>>

type ParsedBy<T> = {
  [K in keyof T]-?: NonNullable<T[K]> extends { parse(...of: never[]): infer R } ? R : never
}[keyof T]

/** The grants that the login of a user needs. */
export const userGrantParsers = {
  authorization_code: { parse: parseAuthorizationCode },
  refresh_token: { parse: parseRefreshToken }
}

export const userGrants = Object.keys(userGrantParsers) as readonly GrantType[]

/**
 * Reads the form of a token request. Parameters that its grant does not use are ignored.
 *
 * @param grants the accepted grants
 * @throws {McpOAuthError} `unsupportedGrantType`, before any other parameter is read;
 *   `invalidRequest` for a missing, repeated or malformed parameter; `invalidTarget` for another
 *   resource; `invalidScope`; `invalidGrant` for a code or token that we cannot have issued
 */
export function parseTokenRequest<T extends GrantParsers> (
  params: RequestParameters,
  resource: string,
  grants: T
): ParsedBy<T> {
  const grantType = required(params, 'grant_type')
  const grant = Object.hasOwn(grants, grantType) ? grants[grantType as GrantType] : undefined
  if (grant === undefined) throw new McpOAuthError('unsupportedGrantType')
  // Not every grant uses them, but none accepts them twice.
  for (const name of ['client_id', 'redirect_uri']) single(params, name)
  verbatim(params, 'scope')
  return grant.parse(params, resource) as ParsedBy<T>
}

/** Reads the parameters of the grant `authorization_code`. A `scope` has no effect. */
export function parseAuthorizationCode (
  params: RequestParameters,
  resource: string
): AuthorizationCodeRequest {
  const target = targetOf(params, resource)
  const redirectUri = single(params, 'redirect_uri')
  const codeVerifier = required(params, 'code_verifier')
  if (!isVerifier(codeVerifier)) {
    throw new McpOAuthError('invalidRequest', { description: 'The code verifier is malformed.' })
  }
  return {
    grantType: 'authorization_code',
    code: issued(params, 'code'),
    codeVerifier,
    ...target,
    ...redirectUri !== undefined && { redirectUri }
  }
}

/** Reads the parameters of the grant `refresh_token`. */
export function parseRefreshToken (
  params: RequestParameters,
  resource: string
): RefreshTokenRequest {
  const target = targetOf(params, resource)
  const refreshToken = issued(params, 'refresh_token')
  return { grantType: 'refresh_token', refreshToken, ...target, ...scopesOf(params) }
}

/** Reads the parameters of the grant `client_credentials`. */
export function parseClientCredentials (
  params: RequestParameters,
  resource: string
): ClientCredentialsRequest {
  return { grantType: 'client_credentials', ...targetOf(params, resource), ...scopesOf(params) }
}

function targetOf (params: RequestParameters, ours: string): { resource?: string } {
  const resource = resourceOf(params, ours)
  return resource === undefined ? {} : { resource }
}

function scopesOf (params: RequestParameters): { scopes?: string[] } {
  const scope = verbatim(params, 'scope') ?? ''
  return scope === '' ? {} : { scopes: parseScope(scope) }
}

function required (params: RequestParameters, name: string): string {
  const value = verbatim(params, name) ?? ''
  if (value === '') {
    throw new McpOAuthError('invalidRequest', { description: `The parameter ${name} is missing.` })
  }
  return value
}

function issued (params: RequestParameters, name: 'code' | 'refresh_token'): string {
  const value = required(params, name)
  if (value.length > maxGrantChars || !/^[\x20-\x7e]+$/.test(value)) {
    throw new McpOAuthError('invalidGrant')
  }
  return value
}
