/** Is a `state` one that we sent to the provider? */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'
import { loginSeconds, loginSkewSeconds } from '../limits.ts'

/**
 * Makes and verifies the `state` values for the provider. A state that we did not make is an error
 * of its own: it does not mean that the login began in another browser.
 */
export interface LoginStates {
  /** A time, 128 random bits, and an HMAC of both. States sort by time. */
  create(now: number): string
  /** Whether a state is ours and has not expired. */
  verify(state: string, now: number): boolean
}

/** @param context names the registration: others verify no state of it */
export function createLoginStates (secrets: readonly string[], context: string): LoginStates {
  const keys = secrets.map(secret => deriveKey(secret, `state:${context}`))
  const sign = (body: string, key: Uint8Array) =>
    createHmac('sha256', key).update(body).digest().subarray(0, 12)
  return {
    create (now) {
      const body = Math.floor(now).toString(36).padStart(8, '0') + randomBytes(16).toString('hex')
      return body + sign(body, keys[0] as Uint8Array).toString('hex')
    },
    verify (state, now) {
      if (!/^[\da-z]{8}[\da-f]{56}$/.test(state)) return false
      const body = state.slice(0, 40)
      const hmac = Buffer.from(state.slice(40), 'hex')
      const age = now - parseInt(state.slice(0, 8), 36)
      return age >= -loginSkewSeconds && age < loginSeconds &&
        keys.some(key => timingSafeEqual(sign(body, key), hmac))
    }
  }
}
