import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'

/** Life of a login between consent and callback, in seconds. */
export const loginLifetime = 600

/** Seconds by which the clocks of two instances may differ. */
const skew = 30

/**
 * Makes and recognises the `state` values we send to the provider, so that a foreign one is told
 * from one of another browser.
 */
export interface LoginStates {
  /** 128 random bits behind the time, and a proof that we made them. Sorts by time. */
  create(now: number): string
  /** Whether a state is ours and not too old. */
  verify(state: string, now: number): boolean
}

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
      const proof = Buffer.from(state.slice(40), 'hex')
      const age = now - parseInt(state.slice(0, 8), 36)
      return age >= -skew && age < loginLifetime &&
        keys.some(key => timingSafeEqual(sign(body, key), proof))
    }
  }
}
