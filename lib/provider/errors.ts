/** Which error of ours does an error of the identity provider become? */
import { failure, McpOAuthError } from '../errors.ts'
import { boundedFetch, objectOf } from '../http/fetch.ts'
import type { FetchJson } from '../types.ts'

/** Errors about our own credentials are configuration faults: the client keeps its session. */
const configurationErrors = [
  'invalid_client',
  'unauthorized_client',
  'incorrect_client_credentials'
]

const temporaryErrors = ['server_error', 'temporarily_unavailable', 'slow_down']

/**
 * Calls the provider. An OAuth error of the provider ends the grant; network errors keep their
 * kind. The text of a response is only logged.
 *
 * @param malformed kind of the error for a response without tokens and without an OAuth error (RFC
 *   6749 §5), such as the page of a firewall
 */
export async function callProvider<T> (
  operation: () => Promise<T>,
  malformed: 'invalidGrant' | 'providerMisbehaved' = 'invalidGrant'
): Promise<T> {
  try {
    return await operation()
  } catch (thrown) {
    const cause = thrown as Error & { status?: number, cause?: { status?: number } }
    const ownError = [cause, cause.cause].find(error => error instanceof McpOAuthError)
    if (ownError) throw ownError
    const status = cause.status ?? cause.cause?.status ?? 0
    const name = errorName(cause)
    if (configurationErrors.includes(name)) {
      throw new McpOAuthError('providerMisbehaved', {
        cause: new Error(`the provider rejected our clientId and clientSecret: ${name}`, { cause })
      })
    }
    if (status >= 500 || status === 429 || temporaryErrors.includes(name)) {
      throw new McpOAuthError('providerUnavailable', { cause })
    }
    throw new McpOAuthError(name === '' ? malformed : 'invalidGrant', { cause })
  }
}

/** Returns the OAuth error of a response. Some providers send it with status 200. */
function errorName (thrown: unknown): string {
  const { error, body, cause }: Record<string, unknown> = Object(thrown)
  const name = error ?? Object(body).error
  return typeof name === 'string' ? name : cause === undefined ? '' : errorName(cause)
}

/**
 * Requests JSON with the access token of a user, for presets.
 *
 * @throws {McpOAuthError} `invalidGrant` if the token was rejected: the account may be deleted
 */
export const fetchAsUser: FetchJson = async (url, headers) => {
  const response = await boundedFetch(url, { headers })
  if (response.status === 401) {
    throw failure('invalidGrant', 'the provider rejected its own access token')
  }
  return objectOf(response)
}
