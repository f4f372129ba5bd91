/** Is a logout token valid, and who is logged out (OpenID Connect Back-Channel Logout 1.0 §2.6)? */
import { invalidRequest } from '../oauth/parameters.ts'
import { asymmetricAlgorithms } from '../oauth/public-keys.ts'
import { McpOAuthError } from '../errors.ts'
import { idTokenCooldownSeconds, issuerSkewSeconds, logoutTokenSeconds } from '../limits.ts'
import type { ProviderMetadata } from '../oauth/provider-metadata.ts'
import type { Log } from '../types.ts'
import { isPlainObject } from '../util/json.ts'
import { createKeySet, verifyAssertion } from './keys.ts'

/** The content of a valid logout token: a user, a session of one, or both. */
export interface Logout {
  id: string
  subject?: string
  session?: string
}

/** Header types (`typ`): the specific one, or an unspecific one. */
const types: readonly unknown[] = [undefined, 'jwt', 'logout+jwt', 'application/logout+jwt']
const event = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * Creates the function that verifies logout tokens of the provider.
 *
 * @returns a function that throws {@link McpOAuthError} `invalidRequest`, and a server error if the
 *   keys cannot be loaded
 */
export function createLogoutVerifier ({ metadata, clientId, log }: {
  metadata: () => Promise<ProviderMetadata>
  clientId: string
  log: Log
}) {
  const uri = async () => (await metadata()).jwks_uri
  const keys = createKeySet({ uri, log, cooldown: idTokenCooldownSeconds })
  return async (token: string, now: number): Promise<Logout> => {
    const { issuer } = await metadata()
    const options = {
      issuer,
      audience: clientId,
      algorithms: [...asymmetricAlgorithms],
      requiredClaims: ['exp', 'jti'],
      maxTokenAge: logoutTokenSeconds,
      clockTolerance: issuerSkewSeconds,
      currentDate: new Date(now * 1000)
    }
    // A key that is not known may be new, where somebody has just named another one.
    const unavailable = (cause: unknown) => new McpOAuthError('keysUnavailable', { cause })
    const { payload, protectedHeader: { typ } } = await verifyAssertion(
      token,
      keys,
      options,
      unavailable
    ).catch((error) => {
      throw error instanceof McpOAuthError ? error : rejected(error.message)
    })
    if (!types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)) {
      throw rejected('its typ is that of another token')
    }
    const { sub, sid, jti, events } = payload
    if (!isPlainObject(events) || !isPlainObject(events[event])) throw rejected('it has no event')
    if ('nonce' in payload) throw rejected('it has a nonce, as ID tokens have')
    const isAbsentOrText = (value: unknown) => value === undefined || isText(value)
    if (
      !isText(jti) || !isAbsentOrText(sub) || !isAbsentOrText(sid) || (sub ?? sid) === undefined
    ) {
      throw rejected('it names neither a user nor a session, or has no valid jti')
    }
    return {
      id: jti,
      ...(sub !== undefined && { subject: sub }),
      ...(sid !== undefined && { session: String(sid) })
    }
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const rejected = (reason: string) =>
  invalidRequest('The logout token is invalid.', {
    cause: new Error(`the logout token was rejected: ${reason}`)
  })
