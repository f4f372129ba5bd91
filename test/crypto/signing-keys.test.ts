import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deriveKey } from '../../lib/crypto/derive-key.ts'
import { createSigningKeys } from '../../lib/crypto/signing-keys.ts'

const secret = 'a test secret that is long enough to be one'

test('createSigningKeys makes working keys of every secret, also where the private key begins with zeros', async () => {
  const contexts = Array.from({ length: 3000 }, (_, index) => `context ${index}`).filter(context =>
    deriveKey(secret, `sign:0:${context}`)[0] === 0
  )
  assert.ok(contexts.length > 0)
  for (const context of contexts) {
    const keys = await createSigningKeys([secret], context)
    assert.deepEqual(await keys.read(await keys.sign({ sub: 'alice', exp: 1 }), 0), {
      sub: 'alice',
      exp: 1
    })
  }
})
