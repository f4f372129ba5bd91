/** Which parameters obtain a token for another API, and is its response usable? */
import { failure } from '../errors.ts'
import { maxTokenChars } from '../limits.ts'
import { jwtBearer, tokenExchange } from './grant-types.ts'

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/**
 * Returns the parameters that exchange the access token of a user: those of RFC 8693 §2.1, or of
 * the on-behalf-of flow of Entra.
 */
export function exchangeParameters (
  { grant, audience, resource, scopes }: {
    grant?: 'token-exchange' | 'on-behalf-of' | undefined
    audience?: string | undefined
    resource?: string | undefined
    scopes?: readonly string[] | undefined
  },
  subjectToken: string
): Record<string, string> {
  const scope = scopes && { scope: scopes.join(' ') }
  if (grant === 'on-behalf-of') {
    return {
      grant_type: jwtBearer,
      requested_token_use: 'on_behalf_of',
      assertion: subjectToken,
      ...scope
    }
  }
  return {
    grant_type: tokenExchange,
    subject_token: subjectToken,
    subject_token_type: accessTokenType,
    requested_token_type: accessTokenType,
    ...audience !== undefined && { audience },
    ...resource !== undefined && { resource },
    ...scope
  }
}

const validToken = new RegExp(`^[\\x21-\\x7e]{1,${maxTokenChars}}$`)

/**
 * Returns the access token of a response, and its lifetime in seconds, 0 if that is unknown.
 *
 * @throws {McpOAuthError} `providerMisbehaved` for another token than a bearer token
 */
export function exchangedToken (
  { access_token: token, token_type: type, expires_in: seconds }: Readonly<Record<string, unknown>>
) {
  const isBearer = typeof type === 'string' && type.toLowerCase() === 'bearer'
  if (typeof token !== 'string' || !validToken.test(token) || !isBearer) {
    throw failure('providerMisbehaved', 'the response to a token exchange has no bearer token')
  }
  const lifetime = Number(seconds)
  return { token, lifetime: lifetime > 0 && Number.isFinite(lifetime) ? lifetime : 0 }
}
