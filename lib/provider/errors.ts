import type { FetchJson } from '../types.ts'
import { McpOAuthError } from '../errors.ts'
import { boundedFetch, objectOf } from '../http/fetch.ts'

/**
 * That it does not know us is not the fault of the client, whose session shall outlive the repair.
 */
const ours = ['invalid_client', 'unauthorized_client', 'incorrect_client_credentials']

const passing = ['server_error', 'temporarily_unavailable', 'slow_down']

/**
 * Asks the provider. Faults of the network keep their kind; an error the provider names means that
 * the grant is worth nothing. What it wrote goes to the log only.
 *
 * @param nonsense what an answer is that is neither tokens nor an error of OAuth (RFC 6749 §5): a
 *   page of a firewall says nothing about a session
 */
export async function callProvider<T> (
  operation: () => Promise<T>,
  nonsense: 'invalidGrant' | 'providerMisbehaved' = 'invalidGrant'
): Promise<T> {
  try {
    return await operation()
  } catch (cause) {
    const fault = [cause, (cause as Error).cause].find(error => error instanceof McpOAuthError)
    if (fault) throw fault
    const status = (cause as { status?: number }).status ??
      ((cause as Error).cause as Response | undefined)?.status ?? 0
    const name = errorName(cause)
    if (ours.includes(name)) {
      throw new McpOAuthError('providerMisbehaved', {
        cause: new Error(`the provider refuses our clientId and clientSecret: ${name}`, { cause })
      })
    }
    if (status >= 500 || status === 429 || passing.includes(name)) {
      throw new McpOAuthError('providerUnavailable', { cause })
    }
    throw new McpOAuthError(name === '' ? nonsense : 'invalidGrant', { cause })
  }
}

/** The error the provider named; some name it in an answer with status 200. */
function errorName (thrown: unknown): string {
  const { error, body, cause } = Object(thrown) as {
    error?: unknown
    body?: unknown
    cause?: unknown
  }
  const name = error ?? (Object(body) as { error?: unknown }).error
  return typeof name === 'string' ? name : cause === undefined ? '' : errorName(cause)
}

/** What presets look users up with. A token that is refused belongs to a user who is gone. */
export const fetchAsUser: FetchJson = async (url, headers) => {
  const answer = await boundedFetch(url, { headers })
  if (answer.status === 401) {
    throw new McpOAuthError('invalidGrant', {
      cause: new Error('the provider refuses its own access token')
    })
  }
  return objectOf(answer)
}
