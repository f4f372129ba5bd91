import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { deriveKey } from '../../lib/crypto/derive-key.ts'
import { createSealer, purposes } from '../../lib/crypto/sealer.ts'
import { parseClientMetadata } from '../../lib/oauth/client-metadata.ts'
import { sweep } from '../support/sweep.ts'
import { anyCharacter } from '../support/text.ts'

const [older, newer] = [
  'an older secret, more than 32 bytes long',
  'a newer secret, more than 32 bytes long'
]
const now = 1_800_000_000
const sealer = createSealer([older])

test('open returns a sealed value until it expires', async () => {
  const value = await sealer.seal('client', { name: 'é', list: [1] }, 60, now)
  assert.deepEqual(await sealer.open('client', value, now), { name: 'é', list: [1] })
  assert.deepEqual(await sealer.open('client', value, now + 59), { name: 'é', list: [1] })
  for (const later of [now + 60, now + 1e9, NaN]) {
    assert.equal(await sealer.open('client', value, later), null)
  }
})

test('open returns any JSON object unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (payload) => {
      assert.deepEqual(
        await sealer.open('code', await sealer.seal('code', payload, 1, now), now),
        JSON.parse(JSON.stringify(payload))
      )
    }),
    { numRuns: sweep(200) }
  )
})

test('open rejects a value that was sealed for another purpose', async () => {
  for (const purpose of purposes) {
    const value = await sealer.seal(purpose, { purpose }, 60, now)
    for (const other of purposes) {
      assert.deepEqual(await sealer.open(other, value, now), other === purpose ? { purpose } : null)
    }
  }
})

test('open rejects a value with any character changed [S-03]', async () => {
  const value = await sealer.seal('client', { a: 1 }, 60, now)
  for (let index = 0; index < value.length; index++) {
    for (const character of ['A', 'B', '_', '.', '=', ' ', '']) {
      const changed = value.slice(0, index) + character + value.slice(index + 1)
      if (changed !== value) {
        assert.equal(await sealer.open('client', changed, now), null, `${index} ${character}`)
      }
    }
  }
})

test('open accepts one spelling of a value [L6]', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const length of [1, 2, 3]) {
    const value = await sealer.seal('code', { a: 'x'.repeat(length) }, 60, now)
    const parts = value.split('.')
    for (const part of [3, 4]) {
      const variants = [...alphabet].map((last) =>
        parts.map((text, index) => index === part ? text.slice(0, -1) + last : text).join('.')
      )
      const opened = await Promise.all(
        variants.map((variant) => sealer.open('code', variant, now))
      )
      assert.deepEqual(variants.filter((_, index) => opened[index] !== null), [value])
    }
    for (const variant of [`${value}\n`, ` ${value}`, `${value}=`, `${value}.`]) {
      assert.equal(await sealer.open('code', variant, now), null)
    }
  }
})

test('open rejects foreign text and never throws [S-03 S-04]', async () => {
  for (
    const value of [
      '',
      '.',
      '....',
      'a.b.c.d.e',
      '../..',
      'null',
      '\0',
      '{}',
      'e30....',
      'x'.repeat(100_000),
      undefined,
      null,
      1,
      {}
    ]
  ) {
    assert.equal(await sealer.open('client', value as string, now), null)
  }
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: anyCharacter }), async (value) => {
      assert.equal(await sealer.open('client', value, now), null)
    }),
    { numRuns: sweep(500) }
  )
})

test('seal makes values that the JOSE library opens, and open reads those it makes', async () => {
  const key = deriveKey(older, 'seal:client:')
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue()), async (payload) => {
      const json = JSON.stringify([now + 1, payload])
      const sealed = await createSealer([older]).seal('client', payload, 1, now)
      const { plaintext, protectedHeader } = await compactDecrypt(sealed, key)
      assert.equal(new TextDecoder().decode(plaintext), json)
      assert.deepEqual(protectedHeader, { alg: 'dir', enc: 'A256GCM' })
      const made = await new CompactEncrypt(new TextEncoder().encode(json))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(key)
      assert.deepEqual(
        await createSealer([older]).open('client', made, now),
        JSON.parse(JSON.stringify(payload))
      )
    }),
    { numRuns: sweep(500) }
  )
})

test('open rejects content of another shape, even under our key [S-04]', async () => {
  const seal = (text: string): Promise<string> =>
    new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader({
      alg: 'dir',
      enc: 'A256GCM'
    }).encrypt(deriveKey(older, 'seal:client:'))
  assert.deepEqual(await sealer.open('client', await seal(`[${now + 1},{"a":1}]`), now), { a: 1 })
  for (
    const text of [
      '',
      'x',
      'null',
      '{}',
      '[]',
      `[${now + 1}]`,
      `[${now + 1},null]`,
      `[${now + 1},"x"]`,
      `["${now + 1}",{}]`,
      '[null,{}]',
      '{"0":9999999999,"1":{}}'
    ]
  ) {
    assert.equal(await sealer.open('client', await seal(text), now), null, text)
  }
})

test('open accepts values of every listed secret while secrets rotate', async () => {
  const before = await Promise.all(
    Array.from({ length: 50 }, (_, index) => sealer.seal('client', { index }, 60, now))
  )
  const rotated = createSealer([newer, older])
  for (const [index, value] of before.entries()) {
    assert.deepEqual(await rotated.open('client', value, now), { index })
  }

  const after = await rotated.seal('client', { after: true }, 60, now)
  assert.equal(await sealer.open('client', after, now), null)
  const finished = createSealer([newer])
  assert.deepEqual(await finished.open('client', after, now), { after: true })
  for (const value of before) assert.equal(await finished.open('client', value, now), null)
})

test('open accepts values of another instance with the same secret', async () => {
  assert.deepEqual(
    await createSealer([older]).open(
      'refresh',
      await sealer.seal('refresh', { a: 1 }, 60, now),
      now
    ),
    { a: 1 }
  )
})

test('seal hides its content and never repeats a value [S-01]', async () => {
  const values = await Promise.all(
    [1, 2].map(() => sealer.seal('code', { code: 'canary' }, 60, now))
  )
  assert.notEqual(values[0], values[1])
  for (const value of values) {
    assert.match(value, /^[A-Za-z0-9_.-]+$/)
    assert.ok(!value.split('.').some((part) => Buffer.from(part, 'base64url').includes('canary')))
  }
})

test('seal fits a client id with one redirect URI into 400 characters', async () => {
  const client = parseClientMetadata({
    redirect_uris: ['http://127.0.0.1:33418/oauth/callback'],
    client_name: 'Claude Code (plugin:x)',
    grant_types: ['authorization_code', 'refresh_token']
  }, { allowed: null, forbidden: [] })
  // Defaults that all clients share are not sealed.
  const { redirect_uris: uris, client_name: name, grant_types: grants } = client
  const value = await sealer.seal(
    'client',
    { redirect_uris: uris, client_name: name, grant_types: grants },
    90 * 86_400,
    now
  )
  assert.ok(value.length <= 400, String(value.length))
})

test('createSealer requires secrets', () => {
  for (const secrets of [[], [''], [older, '']]) {
    assert.throws(() => createSealer(secrets), { kind: 'invalidOptions' })
  }
})
