import { McpOAuthError, type ErrorKind } from '../errors.ts'

/**
 * A successful answer of a token endpoint (RFC 6749 §5.1), as far as clients of ours get to see
 * one.
 */
export interface ProviderTokenResponse {
  access_token: string
  token_type: 'Bearer'
  expires_in?: number
  refresh_token?: string
  scope?: string
}

const errors: Readonly<Record<string, ErrorKind>> = {
  invalid_grant: 'invalidGrant',
  invalid_scope: 'invalidScope',
  invalid_target: 'invalidTarget'
}

/**
 * Reads what the provider's token endpoint said. Only the members of {@link ProviderTokenResponse} come
 * through: an ID token is for us, not for the client, and error texts may name inner systems.
 *
 * @throws McpOAuthError `invalidGrant`, `invalidScope` or `invalidTarget` where the provider said
 *   so; `providerUnavailable` for 429 and 5xx;
 * `providerMisbehaved` for everything else, including the refusal of our own credentials
 */
export function parseTokenResponse (status: number, text: string): ProviderTokenResponse {
  if (status >= 500 || status === 429) {
    throw new McpOAuthError('providerUnavailable', {
      cause: new Error(`the token endpoint answered ${status}`)
    })
  }
  const body = parse(text)
  if (status < 200 || status > 299) {
    const { error } = body
    const kind = typeof error === 'string' && Object.hasOwn(errors, error)
      ? errors[error]
      : undefined
    throw new McpOAuthError(kind ?? 'providerMisbehaved', {
      cause: new Error(`the token endpoint answered ${status}`)
    })
  }
  const {
    access_token: accessToken,
    token_type: tokenType,
    expires_in: expiresIn,
    refresh_token: refreshToken,
    scope
  } = body
  if (
    !isToken(accessToken) || typeof tokenType !== 'string' || tokenType.toLowerCase() !== 'bearer'
  ) throw unusable()
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    ...(isLifetime(expiresIn) && { expires_in: Math.floor(expiresIn) }),
    ...(isToken(refreshToken) && { refresh_token: refreshToken }),
    ...(typeof scope === 'string' && /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,2048}$/.test(scope) &&
      { scope })
  }
}

function parse (text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (
      typeof value === 'object' && value !== null && !Array.isArray(value)
    ) { return value as Record<string, unknown> }
  } catch {}
  throw unusable()
}

function isToken (value: unknown): value is string {
  return typeof value === 'string' && value.length <= 16_384 && /^[\x20-\x7e]+$/.test(value)
}

function isLifetime (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e9
}

function unusable (): McpOAuthError {
  return new McpOAuthError('providerMisbehaved', {
    cause: new Error('the token endpoint gave no usable answer')
  })
}
