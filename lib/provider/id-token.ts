/** Why did the OpenID Connect library reject an ID token, and which setting is it about? */
import { McpOAuthError, quoted } from '../errors.ts'
import { issuerSkewSeconds } from '../limits.ts'

/** Returns an error that says more than that of the library, or null. */
export const faultOfIdToken = (error: Error) => clockFault(error) ?? claimFault(error)

/** Returns the error of an ID token that was issued just now, and yet rejected for its times. */
function clockFault (error: Error & { code?: unknown }) {
  if (error.code !== 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED') return null
  const { now, claims: { iat, nbf = iat } } = (error.cause as Error).cause as {
    now: number
    claims: { iat: number, nbf?: number }
  }
  const seconds = Math.round(now - Math.max(iat, nbf))
  if (Math.abs(seconds) <= issuerSkewSeconds) return null
  const difference = `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'}`
  return new McpOAuthError('providerUnavailable', {
    description: 'The clocks of this server and of the authorization provider differ.',
    cause: new Error(
      `the clock of this server is ${difference} that of the provider. Synchronize them`,
      {
        cause: error
      }
    )
  })
}

/** Returns the error of an ID token of another issuer or for another client. */
function claimFault ({ cause }: Error) {
  const { claim, claims, expected } = Object(Object(cause).cause)
  if (claim !== 'iss' && claim !== 'aud') return null
  const setting = claim === 'iss' ? 'issuer' : 'clientId'
  const problem = `${claim} of the ID token is ${quoted(claims[claim])}, and ours ${
    quoted(expected)
  }`
  return new McpOAuthError('providerMisbehaved', {
    cause: new Error(
      `${problem}. Compare the option ${setting} with the settings at the provider`,
      { cause }
    )
  })
}
