import {
  createCipheriv,
  createDecipheriv,
  hash,
  KeyObject,
  sign,
  verify,
  webcrypto
} from 'node:crypto'

// The methods of Web Crypto that a month needs most, without threads: these take no longer than the
// switch to one, and a simulated clock has nothing to wait for.

type Key = webcrypto.CryptoKey

interface Gcm {
  name: string
  iv: Uint8Array
  additionalData?: Uint8Array
}

const tagBytes = 16
const objects = new WeakMap<Key, KeyObject>()

function objectOf (key: Key) {
  const object = objects.get(key) ?? KeyObject.from(key)
  objects.set(key, object)
  return object
}

const ecdsa = (key: Key) => ({ key: objectOf(key), dsaEncoding: 'ieee-p1363' } as const)

/** Copies, since a view of a pool would show other values. */
const bufferOf = (bytes: Buffer) => new Uint8Array(bytes).buffer

export const synchronousCrypto = {
  async digest (_algorithm: 'SHA-256', data: Uint8Array) {
    return bufferOf(hash('sha256', data, 'buffer'))
  },
  async encrypt ({ iv, additionalData }: Gcm, key: Key, data: Uint8Array) {
    const cipher = createCipheriv('aes-256-gcm', objectOf(key), iv)
    if (additionalData) cipher.setAAD(additionalData)
    return bufferOf(Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]))
  },
  async decrypt ({ iv, additionalData }: Gcm, key: Key, data: Uint8Array) {
    const decipher = createDecipheriv('aes-256-gcm', objectOf(key), iv)
    if (additionalData) decipher.setAAD(additionalData)
    decipher.setAuthTag(data.subarray(-tagBytes))
    return bufferOf(Buffer.concat([
      decipher.update(data.subarray(0, -tagBytes)),
      decipher.final()
    ]))
  },
  async sign (_algorithm: object, key: Key, data: Uint8Array) {
    return bufferOf(sign('sha256', data, ecdsa(key)))
  },
  async verify (_algorithm: object, key: Key, signature: Uint8Array, data: Uint8Array) {
    return verify('sha256', data, ecdsa(key), signature)
  }
}
