/** Which of several verifiers decides about an access token? */
import { causeWith, McpOAuthError } from '../errors.ts'
import type { McpAuth, TokenVerifier, VerifyContext } from '../types.ts'
import { isPlainObject } from '../util/json.ts'
import { parseCompact } from './compact.ts'

/**
 * Combines verifiers. The first one that recognizes a token decides: a rejected token is not passed
 * to the next. Each result is logged at level `debug`.
 *
 * @returns a verifier that throws {@link McpOAuthError} `invalidToken` if no verifier recognizes
 *   the token, and `keysUnavailable` if a verifier fails
 */
export function chain (verifiers: readonly TokenVerifier[]) {
  return async (token: string, context: VerifyContext): Promise<McpAuth> => {
    for (const verify of verifiers) {
      const caller = await callerFrom(verify, token, context)
      if (caller !== null) return caller
    }
    const issuer = parseCompact(token)?.claims['iss']
    const reason = 'no verifier recognizes the access token: ' +
      'it is from another issuer, not a JWT, or inactive'
    throw new McpOAuthError('invalidToken', {
      cause: issuer === undefined ? new Error(reason) : causeWith(`${reason}. Its issuer`, issuer)
    })
  }
}

async function callerFrom (
  verify: TokenVerifier,
  token: string,
  context: VerifyContext
): Promise<McpAuth | null> {
  const logResult = (outcome: string, reason?: unknown) =>
    context.log?.debug({
      verifier: verify.issuer ?? verify.name,
      outcome,
      ...(reason instanceof Error && { reason: reason.message })
    }, 'A verifier checked an access token')
  try {
    const caller: unknown = await verify(token, context)
    // A mistake in a verifier of the host must not let a request pass.
    if (caller !== null && !isCaller(caller)) {
      throw new TypeError('A token verifier must return a caller or null')
    }
    logResult(caller === null ? 'unknown' : 'valid')
    return caller
  } catch (cause) {
    const error = cause instanceof McpOAuthError
      ? cause
      : new McpOAuthError('keysUnavailable', { cause })
    logResult(error.statusCode < 500 ? 'invalid' : 'unavailable', error.cause)
    throw error
  }
}

function isCaller (value: unknown): value is McpAuth {
  if (!isPlainObject(value) || !('token' in value)) return false
  const { claims = {} } = value
  return isPlainObject(claims)
}
