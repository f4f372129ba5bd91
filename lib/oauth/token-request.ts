import type { GrantType } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import type { RequestParameters } from './parameters.ts'
import { single, verbatim } from './parameters.ts'
import { isVerifier } from './pkce.ts'
import { resourceOf } from './resource-parameter.ts'
import { parseScope } from './scope.ts'

/**
 * A well-formed token request (RFC 6749 §4.1.3 and §6, RFC 7636 §4.5, RFC 8707 §2). Members that
 * were not sent are absent.
 */
export type TokenRequest = {
  grantType: 'authorization_code'
  code: string
  codeVerifier: string
  /** As sent; to be compared with that of the authorization request. */
  redirectUri?: string
  clientId?: string
  /** Our resource, in our spelling. */
  resource?: string
} | {
  grantType: 'refresh_token'
  refreshToken: string
  clientId?: string
  resource?: string
  /** Scopes the client wants to narrow the grant to. */
  scopes?: string[]
}

/** A machine asks for a token of its own (RFC 6749 §4.4.2). */
export interface MachineRequest {
  grantType: 'client_credentials'
  clientId?: string
  resource?: string
  scopes?: string[]
}

/** What the login of a user takes. */
export const userGrants: readonly GrantType[] = ['authorization_code', 'refresh_token']

/** What a token request is held against. */
export interface TokenRules {
  /** The resource tokens are for. */
  resource: string
  /** Whether there are machines, which have no user. Defaults to `false`. */
  machines?: boolean
}

/** Longest code or refresh token, in characters. */
const maxGrantLength = 16_384

/**
 * Reads the form of a token request. Only what is listed in its type comes through; a `scope`
 * beside a code has no effect.
 *
 * Throws `unsupportedGrantType` before it looks at anything else, `invalidRequest` for what is
 * missing, repeated or malformed, `invalidTarget` for a foreign resource, `invalidScope`, and
 * `invalidGrant` for a code or token that cannot be one of ours.
 */
export function parseTokenRequest (
  params: RequestParameters,
  rules: TokenRules & { machines?: false }
): TokenRequest
export function parseTokenRequest (
  params: RequestParameters,
  rules: TokenRules
): TokenRequest | MachineRequest
export function parseTokenRequest (
  params: RequestParameters,
  { resource: ours, machines = false }: TokenRules
): TokenRequest | MachineRequest {
  const grantType = required(params, 'grant_type')
  const machine = machines && grantType === 'client_credentials'
  if (
    !machine && grantType !== 'authorization_code' && grantType !== 'refresh_token'
  ) { throw new McpOAuthError('unsupportedGrantType') }

  const clientId = single(params, 'client_id')
  const redirectUri = single(params, 'redirect_uri')
  const scope = verbatim(params, 'scope')
  const resource = resourceOf(params, ours)
  const scopes = () => scope === undefined || scope === '' ? {} : { scopes: parseScope(scope) }
  const shared = {
    ...clientId !== undefined && { clientId },
    ...resource !== undefined && { resource }
  }

  if (grantType === 'client_credentials') return { grantType, ...shared, ...scopes() }
  if (grantType === 'refresh_token') {
    return { grantType, refreshToken: grant(params, 'refresh_token'), ...shared, ...scopes() }
  }
  const codeVerifier = required(params, 'code_verifier')
  if (!isVerifier(codeVerifier)) {
    throw new McpOAuthError('invalidRequest', { description: 'The code verifier is malformed.' })
  }
  return {
    grantType,
    code: grant(params, 'code'),
    codeVerifier,
    ...shared,
    ...redirectUri !== undefined && { redirectUri }
  }
}

type Required = 'grant_type' | 'code_verifier' | 'code' | 'refresh_token'

function required (params: RequestParameters, name: Required): string {
  const value = verbatim(params, name)
  if (value === undefined || value === '') {
    throw new McpOAuthError('invalidRequest', { description: `The parameter ${name} is missing.` })
  }
  return value
}

function grant (params: RequestParameters, name: 'code' | 'refresh_token'): string {
  const value = required(params, name)
  if (value.length > maxGrantLength || !/^[\x20-\x7e]+$/.test(value)) {
    throw new McpOAuthError('invalidGrant')
  }
  return value
}
