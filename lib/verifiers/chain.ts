import { causeWith, McpOAuthError } from '../errors.ts'
import type { McpAuth, TokenVerifier } from '../types.ts'
import { parseCompact } from './compact.ts'

/**
 * Asks verifiers in order until one knows the token. One that finds it bad ends the search. At
 * level `debug` the log says who was asked, and what came of it.
 *
 * @throws {McpOAuthError} `invalidToken` when nobody knows the token, `keysUnavailable` when a
 *   check failed to happen
 */
export function chain (
  verifiers: readonly TokenVerifier[]
): (...asked: Parameters<TokenVerifier>) => Promise<McpAuth> {
  return async (token, context) => {
    for (const verify of verifiers) {
      const auth = await answerOf(verify, token, context)
      if (auth !== null) return auth
    }
    const issuer = parseCompact(token)?.claims['iss']
    const reason =
      'no verifier knows this token: it is of another issuer, or no JWT, or its issuer does not call it active'
    throw new McpOAuthError('invalidToken', {
      cause: issuer === undefined ? new Error(reason) : causeWith(`${reason}. Its issuer`, issuer)
    })
  }
}

async function answerOf (
  verify: TokenVerifier,
  ...asked: Parameters<TokenVerifier>
): Promise<McpAuth | null> {
  const tell = (outcome: string, reason?: unknown) =>
    asked[1].log?.debug({
      verifier: verify.issuer ?? verify.name,
      outcome,
      ...(reason instanceof Error && { reason: reason.message })
    }, 'An access token was looked at')
  try {
    const auth: unknown = await verify(...asked)
    // Whatever a verifier of the host answers by mistake must not pass for a caller.
    if (auth !== null && !isCaller(auth)) {
      throw new TypeError('A token verifier must answer with a caller or null')
    }
    tell(auth === null ? 'unknown' : 'good')
    return auth
  } catch (cause) {
    const error = cause instanceof McpOAuthError
      ? cause
      : new McpOAuthError('keysUnavailable', { cause })
    tell(error.statusCode < 500 ? 'bad' : 'undecided', error.cause)
    throw error
  }
}

function isCaller (auth: unknown): auth is McpAuth {
  if (typeof auth !== 'object' || auth === null || !('token' in auth)) return false
  const { claims = {} } = auth as { claims?: unknown }
  return typeof claims === 'object' && claims !== null && !Array.isArray(claims)
}
