/** How do we encrypt values that clients and browsers keep for us? */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { startupError } from '../errors.ts'
import { deriveKey } from './derive-key.ts'

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
  'grant',
  'removal',
  'answer'
] as const
type Purpose = typeof purposes[number]

type Key = Uint8Array
type Payload = Record<string, unknown>

/** Encrypts values that the other side keeps for us, and decrypts them. */
export type Sealer = ReturnType<typeof createSealer>

const cipher = 'aes-256-gcm'
const header = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')
/** A compact JWE with our header, no encrypted key, a 96-bit IV and a 128-bit tag. */
const sealedForm = new RegExp(`^${header}\\.\\.([\\w-]{16})\\.([\\w-]+)\\.([\\w-]{22})$`)

/**
 * Creates a sealer: JWE `dir` with `A256GCM` (RFC 7516), with one key per purpose. Not by jose,
 * which needs several times as long for it, as WebCrypto waits for another thread.
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
  const cache = new Map<Purpose, Key[]>()

  function keysOf (purpose: Purpose) {
    const keys = cache.get(purpose) ??
      secrets.map(secret => deriveKey(secret, `seal:${purpose}:${context}`))
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
      const [key] = keysOf(purpose) as [Key]
      return encrypt(JSON.stringify([now + lifetime, payload]), key)
    },
    /**
     * Opens a sealed value. Resolves to `null` if it is expired, changed, for another purpose, of
     * an unknown secret or malformed, without telling which. Never rejects.
     *
     * A value has one spelling only: its hash identifies it.
     */
    async open (purpose: Purpose, value: string, now: number) {
      if (!isCanonical(value)) return null
      const parts = sealedForm.exec(value)?.slice(1).map(part => Buffer.from(part, 'base64url'))
      if (parts === undefined) return null
      for (const key of keysOf(purpose)) {
        const content = decrypt(parts as [Buffer, Buffer, Buffer], key)
        if (content !== null) return unexpired(content, now)
      }
      onUnknownSecret()
      return null
    }
  }
}

function encrypt (text: string, key: Key) {
  const iv = randomBytes(12)
  const encryption = createCipheriv(cipher, key, iv).setAAD(Buffer.from(header))
  const content = Buffer.concat([encryption.update(text), encryption.final()])
  const parts = [iv, content, encryption.getAuthTag()].map(part => part.toString('base64url'))
  return [header, '', ...parts].join('.')
}

function decrypt ([iv, content, tag]: [Buffer, Buffer, Buffer], key: Key): unknown {
  try {
    const decryption = createDecipheriv(cipher, key, iv, { authTagLength: 16 })
    decryption.setAAD(Buffer.from(header)).setAuthTag(tag)
    const text = Buffer.concat([decryption.update(content), decryption.final()])
    return JSON.parse(text.toString())
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
