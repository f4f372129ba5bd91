import { createHmac } from 'node:crypto'
import { deriveKey } from '../crypto/derive-key.ts'

/**
 * Seconds after which another nonce is handed out, and by which the clocks of two instances may
 * differ.
 */
const step = 120
const skew = 30

/**
 * Seconds in which a nonce is good somewhere, from the first instance that knows it to the last.
 */
export const nonceLifetime = 2 * (step + skew)

/**
 * The nonces for proofs that are good at a time (seconds since 1970), the one to hand out first.
 */
export type Nonces = (now: number) => readonly string[]

/**
 * Nonces for DPoP proofs (RFC 9449 §8 and §9). Nothing is stored: whoever has the secret makes the
 * same ones, at all instances and registrations, as clients keep one for each origin. A nonce is
 * handed out for two minutes and good for two more: a client that keeps asking always has a good
 * one.
 */
export function createNonces (secrets: readonly string[]): Nonces {
  const keys = secrets.map(secret => deriveKey(secret, 'nonce'))
  const make = (key: Uint8Array, window: number) =>
    createHmac('sha256', key).update(String(window)).digest('base64url').slice(0, 22)
  return now => {
    const windows = new Set([now, now - step, now + skew].map(time => Math.floor(time / step)))
    return keys.flatMap(key => [...windows].map(window => make(key, window)))
  }
}
