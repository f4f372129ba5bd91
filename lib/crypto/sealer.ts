/** How do we encrypt values that clients and browsers keep for us? */

import { webcrypto } from 'node:crypto'
import { startupError } from '../errors.ts'
import { deriveKey } from './derive-key.ts'
import { loadJose } from './jose.ts'

/** Purposes of sealed values, which open for no other purpose. */
export const purposes = [
  'client',
  'request',
  'transaction',
  'login-mark',
  'code',
  'access',
  'refresh',
  'family',
  'redemption',
  'answer'
] as const
type Purpose = typeof purposes[number]

type Key = webcrypto.CryptoKey
type Payload = Record<string, unknown>

/** Encrypts values that the other side keeps for us, and decrypts them. */
export type Sealer = ReturnType<typeof createSealer>

const header = { alg: 'dir', enc: 'A256GCM' } as const
/** A compact JWE with our header, no encrypted key, a 96-bit IV and a 128-bit tag. */
const sealedForm = new RegExp(
  `^${
    Buffer.from(JSON.stringify(header)).toString('base64url')
  }\\.\\.[\\w-]{16}\\.[\\w-]+\\.[\\w-]{22}$`
)
const algorithms = {
  keyManagementAlgorithms: [header.alg],
  contentEncryptionAlgorithms: [header.enc]
}

/**
 * Creates a sealer: JWE `dir` with `A256GCM` (RFC 7516), with one key per purpose.
 *
 * @param secrets the first one seals, all of them open. To replace a secret, put the new one first,
 *   and remove the old one once all values that it sealed have expired
 * @param context part of the key derivation: registrations with the same secret cannot open each
 *   other's values. Defaults to none
 * @param onUnknownSecret is called if none of the secrets opens a value that has the form of a
 *   sealed one. Anyone can send such a value
 * @throws {McpOAuthError} `invalidOptions` if a secret is empty or there is none
 */
export function createSealer (
  secrets: readonly string[],
  context = '',
  onUnknownSecret = () => {}
) {
  if (secrets.length === 0 || secrets.includes('')) {
    throw startupError('invalidOptions', 'secret: must not be empty')
  }
  const cache = new Map<Purpose, Promise<Key[]>>()

  function keysOf (purpose: Purpose) {
    const keys = cache.get(purpose) ??
      // Not left to the library, which would import the key for each value.
      Promise.all(secrets.map(secret => {
        const key = deriveKey(secret, `seal:${purpose}:${context}`)
        return webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt'])
      }))
    cache.set(purpose, keys)
    return keys
  }

  return {
    /**
     * Encrypts and authenticates a JSON object. The result is URL-safe.
     *
     * @param lifetime in seconds
     * @param now seconds since 1970
     */
    async seal (purpose: Purpose, payload: object, lifetime: number, now: number) {
      const { CompactEncrypt } = await loadJose()
      const [key] = await keysOf(purpose) as [Key]
      const content = new TextEncoder().encode(JSON.stringify([now + lifetime, payload]))
      return await new CompactEncrypt(content).setProtectedHeader(header).encrypt(key)
    },
    /**
     * Opens a sealed value. Resolves to `null` if it is expired, changed, for another purpose, of
     * an unknown secret or malformed, without telling which. Never rejects.
     *
     * A value has one spelling only: its hash identifies it.
     */
    async open (purpose: Purpose, value: string, now: number) {
      if (!isCanonical(value)) return null
      for (const key of await keysOf(purpose)) {
        const content = await decrypt(value, key)
        if (content !== null) return unexpired(content, now)
      }
      if (sealedForm.test(value)) onUnknownSecret()
      return null
    }
  }
}

async function decrypt (value: string, key: Key): Promise<unknown> {
  const { compactDecrypt } = await loadJose()
  try {
    const { plaintext } = await compactDecrypt(value, key, algorithms)
    return JSON.parse(new TextDecoder().decode(plaintext))
  } catch {
    return null
  }
}

function unexpired (content: unknown, now: number) {
  if (!Array.isArray(content)) return null
  const [expires, payload] = content as unknown[]
  if (typeof expires !== 'number' || !(expires > now)) return null
  return typeof payload === 'object' && payload !== null ? payload as Payload : null
}

/**
 * Whether a compact JWT has its one valid base64url spelling. The last character of a part has idle
 * bits: without this check one value would have several spellings, and a one-time value as many
 * uses.
 */
export function isCanonical (value: string) {
  return typeof value === 'string' &&
    value.split('.', 6).every((part) =>
      Buffer.from(part, 'base64url').toString('base64url') === part
    )
}
