/** Which string stands for a value that must not be written down? */

import { hash as digest } from 'node:crypto'

/** The SHA-256 of a text, in base64url without padding (43 characters). */
export function hash (value: string) {
  return digest('sha256', value, 'base64url')
}
