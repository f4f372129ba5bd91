/** Which tokens did the provider send, and are they usable? */
import type * as oidc from 'openid-client'
import { failure } from '../errors.ts'
import { maxExpiresInSeconds, maxTokenChars, tokenRequestMs } from '../limits.ts'
import { jsonObject } from '../util/json.ts'
import { responseOf, send } from './client.ts'

/** The tokens of the provider for a user. */
export type ProviderTokens = ReturnType<typeof tokensOf>

/** A token response as openid-client returns it. */
export type OidcTokenResponse = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/** A token response as it arrived, before anything in it is verified. */
export interface ReceivedTokens {
  refreshToken: string | undefined
  /** All members that are present. It can be verified again instead of sending the request. */
  answer: Record<string, unknown>
}

/**
 * Returns a fetch for one token request, which waits 30 seconds for the response. Optional
 * members that are null or empty are absent, and so is a lifetime that is none. A list of scopes,
 * as Twitch sends it, becomes a text.
 *
 * @param received is called with a successful response as soon as it arrives
 * @param ignored a member that is not used
 * @param kept the response to an earlier request, which is not sent again
 * @param request sends the request
 */
export function tokenFetch (
  { received, ignored, kept }: {
    received?: ((tokens: ReceivedTokens) => void) | undefined
    ignored?: string | undefined
    kept?: ReceivedTokens['answer'] | undefined
  },
  request = (url: string, options: oidc.CustomFetchOptions) => send(url, options, tokenRequestMs)
): oidc.CustomFetch {
  return async (url, options) => {
    if (kept !== undefined) return Response.json(kept)
    const response = await request(url, options)
    const body = jsonObject(response.text)
    if (body === null) return responseOf(response)
    // Some providers send errors with status 200, and Supabase has its own member for them.
    const { error = body.error_code, access_token: accessToken } = body
    if (response.status < 200 || response.status > 299 || (error && !accessToken)) {
      return responseOf({ ...response, text: JSON.stringify({ ...body, error }) })
    }
    const answer: Record<string, unknown> = Object.fromEntries(
      Object.entries(body).filter(([name, value]) =>
        value !== null && (value !== '' || name === 'scope') && name !== ignored
      )
    )
    const seconds = parseFloat(String(answer.expires_in))
    if (seconds >= 0 && seconds <= maxExpiresInSeconds) answer.expires_in = seconds
    else delete answer.expires_in
    if (Array.isArray(answer.scope)) answer.scope = answer.scope.join(' ')
    const { refresh_token: token } = answer
    received?.({ refreshToken: typeof token === 'string' ? token : undefined, answer })
    return Response.json(answer)
  }
}

/** Tokens that fit into a header, and into our own sealed tokens. */
const validToken = new RegExp(`^[\\x21-\\x7e]{1,${maxTokenChars}}$`)

/**
 * Returns the tokens of a response.
 *
 * @param claims verified claims of the user, if there are any
 * @throws {McpOAuthError} `providerMisbehaved`
 */
export function tokensOf (
  response: OidcTokenResponse,
  claims: Readonly<Record<string, unknown>> | null
) {
  const { access_token: accessToken, token_type: type, scope = null } = response
  const refreshToken = response.refresh_token || null
  const areValid = [accessToken, refreshToken ?? 'none'].every(token => validToken.test(token))
  if (type !== 'bearer' || !areValid) {
    throw failure('providerMisbehaved', 'the provider returned no valid bearer token')
  }
  const sub = claims === null ? 0 : claims.sub
  if (typeof sub === 'string' ? sub === '' : !Number.isSafeInteger(sub)) {
    throw failure('providerMisbehaved', 'the provider named no valid sub')
  }
  return {
    accessToken,
    refreshToken,
    /** Lifetime of the access token in seconds, null if the provider gives none. */
    expiresIn: response.expires_in ?? null,
    scope,
    /** Verified claims about the user, null if the response has none (a refresh). */
    claims
  }
}
