/** Which nonces may a DPoP proof have now? */

import { createHmac } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'
import { nonceSeconds, nonceSkewSeconds } from '../limits.ts'

/** Seconds in which some instance accepts a nonce, from the first that accepts it to the last. */
export const nonceLifetime = 2 * (nonceSeconds + nonceSkewSeconds)

/**
 * Makes nonces for DPoP proofs (RFC 9449 §8 and §9). No nonce is stored: all instances and
 * registrations with the same secret accept the same nonces, because clients keep one per origin.
 * A nonce is handed out for one period and valid for one more, so that a client which keeps calling
 * always has a valid one.
 *
 * @returns a function that returns the nonces that are valid at a time (seconds since 1970), the
 *   current one first
 */
export function createNonces (secrets: readonly string[]) {
  const keys = secrets.map(secret => deriveKey(secret, 'nonce'))
  return (now: number): readonly string[] => {
    const times = [now, now - nonceSeconds, now + nonceSkewSeconds]
    const periods = [...new Set(times.map(time => Math.floor(time / nonceSeconds)))]
    return keys.flatMap(key => periods.map(period => nonce(key, period)))
  }
}

function nonce (key: Uint8Array, period: number): string {
  return createHmac('sha256', key).update(String(period)).digest('base64url').slice(0, 22)
}
